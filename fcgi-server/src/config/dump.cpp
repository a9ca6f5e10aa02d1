// SPDX-License-Identifier: Apache-2.0
// -tt: the configuration as it was understood, line by line as php-fpm prints it.
#include <algorithm>
#include <cctype>

#include "config/config.hpp"
#include "config/text.hpp"

namespace lwc::config {
namespace {

class Dump {
 public:
  void section(const std::string& name) { lines_.push_back("[" + name + "]"); }
  void end_section() { lines_.emplace_back(" "); }

  template <typename... Parts>
  void row(std::string_view name, const Parts&... value) {
    lines_.push_back(concat("\t", name, " = ", value...));
  }
  void text(std::string_view name, const std::optional<std::string>& value) {
    row(name, value.value_or("undefined"));
  }
  void yes_no(std::string_view name, bool value) { row(name, value ? "yes" : "no"); }
  void seconds(std::string_view name, int value) { row(name, value, "s"); }
  void priority(int value) {
    text("process.priority",
         value == kPriorityUnset ? std::nullopt : std::optional(std::to_string(value)));
  }
  void pairs(std::string_view name, const std::vector<KeyValue>& values) {
    for (const KeyValue& pair : values) {
      row(concat(name, "[", pair.key, "]"), pair.value);
    }
  }
  void items(std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      row(concat(name, "[]"), value);
    }
  }

  std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::vector<std::string> lines_;
};

void dump_global(const GlobalConfig& global, Dump& out) {
  out.section("global");
  out.text("pid", global.pid);
  out.row("error_log", global.error_log);
  out.row("syslog.ident", global.syslog_ident);
  out.row("syslog.facility", global.syslog_facility);
  out.yes_no("log_buffering", global.log_buffering);
  // php-fpm has no name for a level that was not given.
  out.row("log_level", global.log_level ? log::level_name(*global.log_level) : "unknown value");
  out.row("log_limit", global.log_limit);
  out.seconds("emergency_restart_interval", global.emergency_restart_interval);
  out.row("emergency_restart_threshold", global.emergency_restart_threshold);
  out.seconds("process_control_timeout", global.process_control_timeout);
  out.row("process.max", global.process_max);
  out.priority(global.process_priority);
  out.yes_no("daemonize", global.daemonize);
  out.row("rlimit_files", global.rlimit_files);
  out.row("rlimit_core", global.rlimit_core);
  std::string mechanism = global.events_mechanism.value_or("epoll");
  std::transform(mechanism.begin(), mechanism.end(), mechanism.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  out.row("events.mechanism", mechanism);
  out.seconds("systemd_interval", global.systemd_interval_ms / 1000);
  out.row("lwc.log_format", global.log_format == LogFormat::Json ? "json" : "text");
  out.end_section();
}

void dump_process_manager(const PoolConfig& pool, Dump& out) {
  out.row("pm", name_of(pool.pm));
  out.row("pm.max_children", pool.pm_max_children);
  out.row("pm.start_servers", pool.pm_start_servers);
  out.row("pm.min_spare_servers", pool.pm_min_spare_servers);
  out.row("pm.max_spare_servers", pool.pm_max_spare_servers);
  out.row("pm.max_spawn_rate", pool.pm_max_spawn_rate);
  out.row("pm.process_idle_timeout", pool.pm_process_idle_timeout);
  out.row("pm.max_requests", pool.pm_max_requests);
  out.text("pm.status_path", pool.pm_status_path);
  out.text("pm.status_listen", pool.pm_status_listen);
}

void dump_own_keys(const PoolConfig& pool, Dump& out) {
  out.row("lwc.engine", pool.lwc_engine);
  out.yes_no("lwc.snapshots", pool.lwc_snapshots);
  out.row("lwc.memory_limit", pool.lwc_memory_limit);
  out.row("lwc.max_snapshots", pool.lwc_max_snapshots);
  for (const Warmup& warmup : pool.lwc_warmup) {
    out.row("lwc.warmup[]", warmup.script, warmup.uri.empty() ? "" : " ", warmup.uri);
  }
  out.items("lwc.snapshot_params", pool.lwc_snapshot_params);
  out.items("lwc.snapshot_allow_fds", pool.lwc_snapshot_allow_fds);
}

void dump_pool(const PoolConfig& pool, Dump& out) {
  out.section(pool.name);
  out.text("prefix", pool.prefix);
  out.text("user", pool.user);
  out.text("group", pool.group);
  out.text("listen", pool.listen);
  out.row("listen.backlog", pool.listen_backlog);
  out.text("listen.acl_users", pool.listen_acl_users);
  out.text("listen.acl_groups", pool.listen_acl_groups);
  out.text("listen.owner", pool.listen_owner);
  out.text("listen.group", pool.listen_group);
  out.text("listen.mode", pool.listen_mode);
  out.text("listen.allowed_clients", pool.listen_allowed_clients);
  out.priority(pool.process_priority);
  out.yes_no("process.dumpable", pool.process_dumpable);
  dump_process_manager(pool, out);
  out.text("ping.path", pool.ping_path);
  out.text("ping.response", pool.ping_response);
  out.text("access.log", pool.access_log);
  out.text("access.format", pool.access_format);
  out.items("access.suppress_path", pool.access_suppress_path);
  out.text("slowlog", pool.slowlog);
  out.seconds("request_slowlog_timeout", pool.request_slowlog_timeout);
  out.row("request_slowlog_trace_depth", pool.request_slowlog_trace_depth);
  out.seconds("request_terminate_timeout", pool.request_terminate_timeout);
  out.yes_no("request_terminate_timeout_track_finished",
             pool.request_terminate_timeout_track_finished);
  out.row("rlimit_files", pool.rlimit_files);
  out.row("rlimit_core", pool.rlimit_core);
  out.text("chroot", pool.chroot);
  out.text("chdir", pool.chdir);
  out.yes_no("catch_workers_output", pool.catch_workers_output);
  out.yes_no("decorate_workers_output", pool.decorate_workers_output);
  out.yes_no("clear_env", pool.clear_env);
  out.text("security.limit_extensions", pool.security_limit_extensions);
  dump_own_keys(pool, out);
  out.pairs("env", pool.env);
  out.pairs("php_value", pool.php_values);
  out.pairs("php_admin_value", pool.php_admin_values);
  out.end_section();
}

}  // namespace

const char* name_of(ProcessManager pm) {
  switch (pm) {
    case ProcessManager::Static:
      return "static";
    case ProcessManager::Dynamic:
      return "dynamic";
    default:
      return "ondemand";
  }
}

std::vector<std::string> dump(const Config& config) {
  Dump out;
  dump_global(config.global, out);
  for (const PoolConfig& pool : config.pools) {
    if (!pool.status_of) {
      dump_pool(pool, out);
    }
  }
  return out.take();
}

}  // namespace lwc::config
