// SPDX-License-Identifier: Apache-2.0
// The configuration of the daemon: php-fpm's directives, and ours below `lwc.`.
//
// Names, units, defaults and refusals are php-fpm 8.2's; docs/man/lwc-fpm.conf.5 tells them to the
// administrator. A std::optional<std::string> without value is a directive that was not given
// ("undefined" in php-fpm's dump); an empty string is one that was given without a value.
#pragma once

#include <syslog.h>
#include <cstdint>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/level.hpp"
#include "lwc/result.hpp"

namespace lwc::config {

/// The value of process.priority that means "leave it alone".
inline constexpr int kPriorityUnset = 64;

enum class LogFormat { Text, Json };
enum class ProcessManager { Unset = 0, Static = 1, Dynamic = 2, Ondemand = 3 };
/// As the configuration names it.
const char* name_of(ProcessManager pm);

struct GlobalConfig {
  std::optional<std::string> pid;             ///< absolute path after load()
  std::string error_log = "log/php-fpm.log";  ///< absolute after load(), or "syslog" in any case
  std::string syslog_ident = "php-fpm";
  int syslog_facility = LOG_DAEMON;
  bool log_buffering = true;
  std::optional<log::Level> log_level;  ///< not given: as Notice
  int log_limit = 1024;                 ///< bytes a line
  int emergency_restart_threshold = 0;  ///< crashes within the interval; 0: off
  int emergency_restart_interval = 0;   ///< seconds
  int process_control_timeout = 0;      ///< seconds
  int process_max = 0;                  ///< 0: no limit over all pools
  int process_priority = kPriorityUnset;
  bool daemonize = true;
  int rlimit_files = 0;  ///< 0: as inherited
  int rlimit_core = 0;   ///< bytes; 0: as inherited, -1: unlimited
  std::optional<std::string> events_mechanism;
  int systemd_interval_ms = -1;  ///< milliseconds between notices to systemd; 0: none
  bool systemd_watchdog = false;
  LogFormat log_format = LogFormat::Text;

  log::Level effective_log_level() const { return log_level.value_or(log::Level::Notice); }
};

struct KeyValue {
  std::string key;
  std::string value;
};

/// A script that is run up to its snapshot point before the pool reports ready.
struct Warmup {
  std::string script;
  std::string uri;  ///< empty: the script's own name
};

/// Most snapshots of a pool that lwc.max_snapshots can ask for.
inline constexpr int kMaxSnapshots = 1024;

struct PoolConfig {
  std::string name;
  std::optional<std::string> prefix;
  std::optional<std::string> user;
  std::optional<std::string> group;
  bool allow_root = false;            ///< -R: user and group may be root
  std::optional<std::string> listen;  ///< [address:]port, or an absolute path; never empty
  bool listen_is_unix = false;
  int listen_backlog = -1;
  std::optional<std::string> listen_acl_users;
  std::optional<std::string> listen_acl_groups;
  std::optional<std::string> listen_owner;
  std::optional<std::string> listen_group;
  std::optional<std::string> listen_mode;  ///< octal
  std::optional<std::string> listen_allowed_clients;
  int process_priority = kPriorityUnset;
  bool process_dumpable = false;
  ProcessManager pm = ProcessManager::Unset;
  int pm_max_children = 0;
  int pm_start_servers = 0;
  int pm_min_spare_servers = 0;
  int pm_max_spare_servers = 0;
  int pm_max_spawn_rate = 32;
  int pm_process_idle_timeout = 10;  ///< seconds
  int pm_max_requests = 0;           ///< 0: no limit
  std::optional<std::string> pm_status_path;
  std::optional<std::string> pm_status_listen;
  std::optional<std::string> ping_path;
  std::optional<std::string> ping_response;
  std::optional<std::string> access_log;
  std::optional<std::string> access_format;
  std::vector<std::string> access_suppress_path;
  std::optional<std::string> slowlog;
  int request_slowlog_timeout = 0;  ///< seconds; 0: off
  int request_slowlog_trace_depth = 0;
  int request_terminate_timeout = 0;  ///< seconds; 0: off
  bool request_terminate_timeout_track_finished = false;
  int rlimit_files = 0;  ///< 0: as inherited
  int rlimit_core = 0;   ///< bytes; 0: as inherited, -1: unlimited
  std::optional<std::string> chroot;
  std::optional<std::string> chdir;
  bool catch_workers_output = false;
  bool decorate_workers_output = true;
  bool clear_env = true;
  std::optional<std::string> security_limit_extensions;
  std::optional<std::string> apparmor_hat;
  std::vector<std::string> limit_extensions;  ///< the above as a list; empty: every extension

  // In the order in which php-fpm applies and prints them: the last line of the file comes first,
  // so that of two lines for one name the upper one wins. php_flag and php_admin_flag are in
  // php_values and php_admin_values, as "1" and "0".
  std::vector<KeyValue> env;  ///< a value "$NAME" stands for the daemon's own variable NAME
  std::vector<KeyValue> php_values;
  std::vector<KeyValue> php_admin_values;

  std::string lwc_engine;          ///< after load(): auto, kernel, rollback, fork or none
  std::vector<Warmup> lwc_warmup;  ///< in the order of the file
  std::vector<std::string> lwc_snapshot_params;
  std::vector<std::string> lwc_snapshot_allow_fds;  ///< path pattern, tcp:host:port or unix:path
  bool lwc_snapshots = true;
  std::uint64_t lwc_memory_limit = 0;  ///< bytes that a request may write; 0: no limit
  int lwc_max_snapshots = 16;

  /// Set in a pool that php-fpm makes for another's pm.status_listen: the other's name.
  std::optional<std::string> status_of;
};

struct Config {
  std::string path;  ///< the main file
  GlobalConfig global;
  std::vector<PoolConfig> pools;
};

/// What the command line and the environment contribute.
struct Options {
  std::optional<std::string> path;    ///< -y; not given: default_path()
  std::optional<std::string> prefix;  ///< -p
  std::optional<std::string> pid;     ///< -g
  std::string program = "lwc-fpm";    ///< the name we were called by
  std::optional<bool> daemonize;      ///< -D, -F; not given: as the file says
  bool allow_root = false;            ///< -R
  std::string engine = "auto";        ///< --engine: for pools that do not name one

  /// False: neither opens log files nor follows includes, for a look at text that nobody vouches
  /// for.
  bool touch_files = true;

  /// Lines for the administrator, in php-fpm's words. Those below log_level are left out once
  /// log_level is known.
  log::Sink sink = [](log::Level, std::string_view) {};

  /// A PHP constant's value as a string. Not given: the E_* constants are known, no others.
  std::function<std::optional<std::string>(std::string_view)> constant;
  /// A php.ini directive's value for ${name}, asked before the environment.
  std::function<std::optional<std::string>(const std::string&)> ini_value;
  /// Called when the [global] section is settled and before the pools are checked, so that a logger
  /// can be started on error_log. An error ends load(). Not given: load() tries whether error_log
  /// can be opened.
  std::function<Status(const GlobalConfig&)> open_error_log;
  /// Whether an engine works on this machine, with or without lwc.memory_limit, asked by -t. Not
  /// given: nobody knows.
  std::function<Status(std::string_view engine, bool limits_memory)> engine_works;
};

/// The file that is read when -y is not given: our own, or php-fpm's when the program is called by
/// php-fpm's name.
std::string default_path(const std::optional<std::string>& prefix, std::string_view program);

/// Reads and checks everything. Creates the log files that php-fpm creates at this point
/// (error_log, slowlog, access.log), changes nothing else. The error is the first line that went to
/// the sink with severity Error or Alert; all of it has been said there.
Result<Config> load(const Options& options);

/// What -t checks besides: that users and groups exist. Says what it finds to the sink.
Status check_identities(const Config& config, const log::Sink& sink);

/// And: that the pools' engines work on this machine. Warns of warm-up scripts that are not there:
/// their pools start without them.
Status check_snapshots(const Config& config, const Options& options);

/// Tells, when the daemon starts, what it cannot do for not being root.
void tell_privileges(const Config& config, const log::Sink& sink);

/// The lines of -tt, as php-fpm prints them, and our own keys after each section's.
std::vector<std::string> dump(const Config& config);

/// Every key that the parser knows, arrays as "name[]" or "name[key]".
struct DirectiveNames {
  std::vector<std::string> global;
  std::vector<std::string> pool;
};
DirectiveNames directive_names();

}  // namespace lwc::config
