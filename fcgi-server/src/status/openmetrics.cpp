// SPDX-License-Identifier: Apache-2.0
#include "status/openmetrics.hpp"

#include <array>
#include <string_view>

namespace lwc::status {
namespace {

struct Metric {
  const char* field;  ///< where the figure comes from
  const char* name;
  const char* type;
  const char* help;
};

constexpr std::array<Metric, 11> kPhp{{
    {"start since", "start_since", "counter", "The number of seconds since FPM has started."},
    {"accepted conn", "accepted_connections", "counter",
     "The number of requests accepted by the pool."},
    {"listen queue", "listen_queue", "gauge",
     "The number of requests in the queue of pending connections."},
    {"max listen queue", "max_listen_queue", "counter",
     "The maximum number of requests in the queue of pending connections since FPM has started."},
    {"listen queue len", "listen_queue_length", "gauge",
     "The size of the socket queue of pending connections."},
    {"idle processes", "idle_processes", "gauge", "The number of idle processes."},
    {"active processes", "active_processes", "gauge", "The number of active processes."},
    {"total processes", "total_processes", "gauge", "The number of idle + active processes."},
    {"max active processes", "max_active_processes", "counter",
     "The maximum number of active processes since FPM has started."},
    {"max children reached", "max_children_reached", "counter",
     "The number of times, the process limit has been reached, when pm tries to start more "
     "children "
     "(works only for pm 'dynamic' and 'ondemand')."},
    {"slow requests", "slow_requests", "counter",
     "The number of requests that exceeded your 'request_slowlog_timeout' value."},
}};

constexpr std::array<Metric, 11> kOwn{{
    {"snapshots", "snapshots", "gauge", "Application snapshots, those being prepared included."},
    {"pages written", "pages_written", "counter",
     "Pages of memory that requests wrote to and the engine had to undo."},
    {"pages restored", "pages_restored", "counter", "Pages that were copied back."},
    {"pages remapped", "pages_remapped", "counter",
     "Pages whose entry in the page table was put back."},
    {"page faults", "page_faults", "counter",
     "Page faults that the engine took to find out what requests write to."},
    {"engine calls", "engine_calls", "counter",
     "System calls that the engine needed to run requests and to undo them."},
    {"undo time", "undo_microseconds", "counter", "Time spent on undoing requests."},
    {"taints", "taints", "counter", "Requests that did what cannot be undone."},
    {"replacements", "replacements", "counter", "Workers replaced because they could not go on."},
    {"faults", "faults", "counter", "Requests that ended by a signal."},
    {"timeouts", "timeouts", "counter", "Requests ended by request_terminate_timeout."},
}};

std::string amount(const Fields& fields, const char* field) {
  const Value* value = find(fields, field);
  return value != nullptr ? std::to_string(std::get<std::int64_t>(*value)) : "0";
}

std::string text(const Fields& fields, const char* field) {
  const Value* value = find(fields, field);
  return value != nullptr ? std::get<std::string>(*value) : "";
}

std::string metric(const std::string& name, const char* type, const std::string& help,
                   const std::string& value, const char* suffix = "") {
  const std::string help_line = "# HELP " + name + " " + help + "\n";
  const std::string type_line = "# TYPE " + name + " " + type + "\n";
  // php-fpm has this one the other way round.
  const bool swapped = name == "phpfpm_listen_queue_length";
  return (swapped ? type_line + help_line : help_line + type_line) + name + suffix + " " + value +
         "\n";
}

/// OpenMetrics has a counter's sample end in _total. php-fpm's do not.
const char* suffix_of(const Metric& metric) {
  return std::string_view(metric.type) == "counter" ? "_total" : "";
}

std::string label(std::string_view value) {
  std::string out;
  for (const char c : value) {
    out += c == '\n' ? "\\n" : std::string(c == '"' || c == '\\' ? "\\" : "") + c;
  }
  return out;
}

std::string snapshot_metrics(const std::vector<Fields>& snapshots) {
  constexpr std::array<Metric, 3> kSnapshot{{
      {"age", "snapshot_age_seconds", "gauge", "Time since the snapshot was ready."},
      {"size", "snapshot_size_bytes", "gauge", "Memory that the snapshot has of its own."},
      {"requests", "snapshot_requests", "counter", "Requests that resumed from the snapshot."},
  }};
  std::string out;
  for (const Metric& one : kSnapshot) {
    const std::string name = std::string("lwcfpm_") + one.name;
    out += "# HELP " + name + " " + one.help + "\n# TYPE " + name + " " + one.type + "\n";
    for (const Fields& snapshot : snapshots) {
      out += name + suffix_of(one) + "{id=\"" + amount(snapshot, "id") + "\",script=\"" +
             label(text(snapshot, "script")) + "\"} " + amount(snapshot, one.field) + "\n";
    }
  }
  return out;
}

}  // namespace

std::string render_openmetrics(const Figures& figures, bool own) {
  std::string out = metric("phpfpm_up", "gauge",
                           "Could pool " + text(figures.php, "pool") + " using a " +
                               text(figures.php, "process manager") + " PM on PHP-FPM be reached?",
                           "1");
  for (const Metric& one : kPhp) {
    out += metric(std::string("phpfpm_") + one.name, one.type, one.help,
                  amount(figures.php, one.field));
  }
  if (own) {
    out +=
        "# HELP lwcfpm_engine How requests are kept apart.\n# TYPE lwcfpm_engine gauge\n"
        "lwcfpm_engine{name=\"" +
        label(text(figures.own, "engine")) + "\"} 1\n";
    for (const Metric& one : kOwn) {
      out += metric(std::string("lwcfpm_") + one.name, one.type, one.help,
                    amount(figures.own, one.field), suffix_of(one));
    }
    out += snapshot_metrics(figures.snapshots);
  }
  return out + "# EOF\n";
}

}  // namespace lwc::status
