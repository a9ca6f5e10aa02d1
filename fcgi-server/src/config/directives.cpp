// SPDX-License-Identifier: Apache-2.0
#include "config/directives.hpp"

#include <algorithm>

#include "config/text.hpp"

namespace lwc::config {
namespace {

template <typename Owner, typename Type>
Owner owner_of(Type Owner::*);

// A reader for each type of member, so that the tables below are all there is to a directive.

template <auto Member>
using OwnerOf = decltype(owner_of(Member));

template <auto Member>
Refusal text(OwnerOf<Member>& target, const std::string& value, ValueContext& context) {
  std::string read;
  if (Refusal refusal = read_string(read, value, context)) {
    return refusal;
  }
  target.*Member = std::move(read);
  return {};
}

template <auto Member>
Refusal boolean(OwnerOf<Member>& target, const std::string& value, ValueContext&) {
  return read_boolean(target.*Member, value);
}

template <auto Member>
Refusal integer(OwnerOf<Member>& target, const std::string& value, ValueContext& context) {
  return read_integer(target.*Member, value, context);
}

template <auto Member>
Refusal time(OwnerOf<Member>& target, const std::string& value, ValueContext& context) {
  return read_time(target.*Member, value, context);
}

template <auto Member>
Refusal core_size(OwnerOf<Member>& target, const std::string& value, ValueContext& context) {
  return read_rlimit_core(target.*Member, value, context);
}

template <auto Member>
Refusal size(OwnerOf<Member>& target, const std::string& value, ValueContext&) {
  return read_size(target.*Member, value);
}

Refusal log_level(GlobalConfig& global, const std::string& value, ValueContext&) {
  return read_log_level(global.log_level, value);
}
Refusal facility(GlobalConfig& global, const std::string& value, ValueContext&) {
  return read_syslog_facility(global.syslog_facility, value);
}
Refusal systemd_interval(GlobalConfig& global, const std::string& value, ValueContext& context) {
  int seconds = 0;
  if (Refusal refusal = read_time(seconds, value, context)) {
    return refusal;
  }
  constexpr int kLongest = 2'000'000;  // seconds; keeps milliseconds within an int
  global.systemd_interval_ms = std::clamp(seconds, -1, kLongest) * 1000;
  return {};
}
Refusal log_format(GlobalConfig& global, const std::string& value, ValueContext&) {
  return read_log_format(global.log_format, value);
}
Refusal process_manager(PoolConfig& pool, const std::string& value, ValueContext&) {
  return read_process_manager(pool.pm, value);
}
Refusal engine(PoolConfig& pool, const std::string& value, ValueContext& context) {
  return read_engine(pool.lwc_engine, value, context);
}

template <auto Member>
Refusal pair(PoolConfig& pool, const std::string& key, const std::string& value,
             ValueContext& context) {
  std::string read;
  if (Refusal refusal = read_string(read, value, context)) {
    return refusal;
  }
  (pool.*Member).push_back({key, std::move(read)});
  return {};
}

template <auto Member>
Refusal flag(PoolConfig& pool, const std::string& key, const std::string& value, ValueContext&) {
  bool read = false;
  if (Refusal refusal = read_boolean(read, value)) {
    return refusal;
  }
  (pool.*Member).push_back({key, read ? "1" : "0"});
  return {};
}

template <auto Member>
Refusal item(PoolConfig& pool, const std::string&, const std::string& value,
             ValueContext& context) {
  std::string read;
  if (Refusal refusal = read_string(read, value, context)) {
    return refusal;
  }
  (pool.*Member).push_back(std::move(read));
  return {};
}

Refusal warmup(PoolConfig& pool, const std::string&, const std::string& value,
               ValueContext& context) {
  std::string read;
  Warmup entry;
  if (Refusal refusal = read_string(read, value, context)) {
    return refusal;
  }
  if (Refusal refusal = read_warmup(entry, read)) {
    return refusal;
  }
  pool.lwc_warmup.push_back(std::move(entry));
  return {};
}

Refusal snapshot_param(PoolConfig& pool, const std::string& key, const std::string& value,
                       ValueContext& context) {
  if (value.empty() || value.find_first_of(" \t=") != std::string::npos) {
    return "must be the name of one FastCGI parameter, such as HTTP_HOST";
  }
  return item<&PoolConfig::lwc_snapshot_params>(pool, key, value, context);
}

Refusal allowed_fd(PoolConfig& pool, const std::string& key, const std::string& value,
                   ValueContext& context) {
  if (Refusal refusal = check_allowed_fd(value)) {
    return refusal;
  }
  return item<&PoolConfig::lwc_snapshot_allow_fds>(pool, key, value, context);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

template <typename Table>
bool knows(const Table& table, const std::string& name) {
  return std::any_of(table.begin(), table.end(), [&name](const auto& directive) {
    return equals_ignoring_case(directive.name, name);
  });
}

template <typename Table>
std::string_view nearest(const Table& table, const std::string& name) {
  constexpr std::size_t kLongestName = 64;
  std::size_t best = std::min<std::size_t>(3, 1 + name.size() / 4);
  std::string_view found;
  for (const auto& directive : table) {
    if (name.size() <= kLongestName) {
      const std::size_t distance = edit_distance(name, directive.name);
      if (distance < best) {
        best = distance;
        found = directive.name;
      }
    }
  }
  return found;
}

}  // namespace

using G = GlobalConfig;
using P = PoolConfig;

const std::vector<Directive<GlobalConfig>>& global_directives() {
  static const std::vector<Directive<GlobalConfig>> table{
      {"pid", text<&G::pid>},
      {"error_log", text<&G::error_log>},
      {"syslog.ident", text<&G::syslog_ident>},
      {"syslog.facility", facility},
      {"log_buffering", boolean<&G::log_buffering>},
      {"log_level", log_level},
      {"log_limit", integer<&G::log_limit>},
      {"emergency_restart_threshold", integer<&G::emergency_restart_threshold>},
      {"emergency_restart_interval", time<&G::emergency_restart_interval>},
      {"process_control_timeout", time<&G::process_control_timeout>},
      {"process.max", integer<&G::process_max>},
      {"process.priority", integer<&G::process_priority>},
      {"daemonize", boolean<&G::daemonize>},
      {"rlimit_files", integer<&G::rlimit_files>},
      {"rlimit_core", core_size<&G::rlimit_core>},
      {"events.mechanism", text<&G::events_mechanism>},
      {"systemd_interval", systemd_interval},
      {"lwc.log_format", log_format},
  };
  return table;
}

const std::vector<Directive<PoolConfig>>& pool_directives() {
  static const std::vector<Directive<PoolConfig>> table{
      {"prefix", text<&P::prefix>},
      {"user", text<&P::user>},
      {"group", text<&P::group>},
      {"listen", text<&P::listen>},
      {"listen.backlog", integer<&P::listen_backlog>},
      {"listen.acl_users", text<&P::listen_acl_users>},
      {"listen.acl_groups", text<&P::listen_acl_groups>},
      {"listen.owner", text<&P::listen_owner>},
      {"listen.group", text<&P::listen_group>},
      {"listen.mode", text<&P::listen_mode>},
      {"listen.allowed_clients", text<&P::listen_allowed_clients>},
      {"process.priority", integer<&P::process_priority>},
      {"process.dumpable", boolean<&P::process_dumpable>},
      {"pm", process_manager},
      {"pm.max_children", integer<&P::pm_max_children>},
      {"pm.start_servers", integer<&P::pm_start_servers>},
      {"pm.min_spare_servers", integer<&P::pm_min_spare_servers>},
      {"pm.max_spare_servers", integer<&P::pm_max_spare_servers>},
      {"pm.max_spawn_rate", integer<&P::pm_max_spawn_rate>},
      {"pm.process_idle_timeout", time<&P::pm_process_idle_timeout>},
      {"pm.max_requests", integer<&P::pm_max_requests>},
      {"pm.status_path", text<&P::pm_status_path>},
      {"pm.status_listen", text<&P::pm_status_listen>},
      {"ping.path", text<&P::ping_path>},
      {"ping.response", text<&P::ping_response>},
      {"access.log", text<&P::access_log>},
      {"access.format", text<&P::access_format>},
      {"slowlog", text<&P::slowlog>},
      {"request_slowlog_timeout", time<&P::request_slowlog_timeout>},
      {"request_slowlog_trace_depth", integer<&P::request_slowlog_trace_depth>},
      {"request_terminate_timeout", time<&P::request_terminate_timeout>},
      {"request_terminate_timeout_track_finished",
       boolean<&P::request_terminate_timeout_track_finished>},
      {"rlimit_files", integer<&P::rlimit_files>},
      {"rlimit_core", core_size<&P::rlimit_core>},
      {"chroot", text<&P::chroot>},
      {"chdir", text<&P::chdir>},
      {"catch_workers_output", boolean<&P::catch_workers_output>},
      {"decorate_workers_output", boolean<&P::decorate_workers_output>},
      {"clear_env", boolean<&P::clear_env>},
      {"security.limit_extensions", text<&P::security_limit_extensions>},
      {"apparmor_hat", text<&P::apparmor_hat>},
      {"lwc.engine", engine},
      {"lwc.snapshots", boolean<&P::lwc_snapshots>},
      {"lwc.memory_limit", size<&P::lwc_memory_limit>},
      {"lwc.max_snapshots", integer<&P::lwc_max_snapshots>},
  };
  return table;
}

const std::vector<ArrayDirective>& array_directives() {
  static const std::vector<ArrayDirective> table{
      {"env", true, pair<&P::env>},
      {"php_value", true, pair<&P::php_values>},
      {"php_admin_value", true, pair<&P::php_admin_values>},
      {"php_flag", true, flag<&P::php_values>},
      {"php_admin_flag", true, flag<&P::php_admin_values>},
      {"access.suppress_path", false, item<&P::access_suppress_path>},
      {"lwc.warmup", false, warmup},
      {"lwc.snapshot_params", false, snapshot_param},
      {"lwc.snapshot_allow_fds", false, allowed_fd},
  };
  return table;
}

std::string hint_for_unknown(const std::string& name, bool in_pool) {
  for (const ArrayDirective& array : array_directives()) {
    if (equals_ignoring_case(array.name, name)) {
      return concat("; it is an array: write ", array.name, array.has_keys ? "[name]" : "[]",
                    " = value");
    }
  }
  if (in_pool && knows(global_directives(), name)) {
    return "; it belongs into the section [global]";
  }
  if (!in_pool && knows(pool_directives(), name)) {
    return "; it belongs into the section of a pool, such as [www]";
  }
  const std::string_view meant =
      in_pool ? nearest(pool_directives(), name) : nearest(global_directives(), name);
  return meant.empty() ? std::string{} : concat("; did you mean '", meant, "'?");
}

DirectiveNames directive_names() {
  DirectiveNames names;
  for (const auto& directive : global_directives()) {
    names.global.emplace_back(directive.name);
  }
  for (const auto& directive : pool_directives()) {
    names.pool.emplace_back(directive.name);
  }
  for (const ArrayDirective& array : array_directives()) {
    names.pool.push_back(concat(array.name, array.has_keys ? "[key]" : "[]"));
  }
  return names;
}

}  // namespace lwc::config
