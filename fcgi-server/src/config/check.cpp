// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "config/paths.hpp"
#include "config/values.hpp"
#include "log/access_format.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc::config {
namespace {

using log::Level;

constexpr int kMinLogLimit = 512;
constexpr int kDefaultSystemdIntervalMs = 10'000;
constexpr int kDefaultTraceDepth = 20;
constexpr const char* kDefaultAccessFormat = "%R - %u %t \"%m %r\" %s";

bool given(const std::optional<std::string>& text) {
  return text && !text->empty();
}

bool is_bad_priority(int priority) {
  return priority != kPriorityUnset && (priority < -19 || priority > 20);
}

/// Opens and closes, so that a log that cannot be written is known now.
bool can_append(const std::string& path, const Options& options) {
  if (!options.touch_files) {
    return true;
  }
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR));
  return static_cast<bool>(fd);
}

bool is_epoll(const GlobalConfig& global) {
  return !global.events_mechanism || equals_ignoring_case(*global.events_mechanism, "epoll");
}

void settle_systemd(GlobalConfig& global, Reporter& report) {
  int interval = 0;
  if (const char* watchdog = std::getenv("WATCHDOG_USEC")) {
    interval = static_cast<int>(std::atol(watchdog) / 2000L);  // half of it, in milliseconds
    report.say(Level::Debug, "WATCHDOG_USEC=", watchdog, ", interval=", interval);
  }
  if (interval > 1000) {
    if (global.systemd_interval_ms > 0) {
      report.say(Level::Warning, "systemd_interval option ignored");
    }
    std::array<char, 32> seconds;
    std::snprintf(seconds.data(), seconds.size(), "%.3g", interval / 1000.0);
    report.say(Level::Notice, "systemd watchdog configured to ", seconds.data(), "sec");
    global.systemd_watchdog = true;
    global.systemd_interval_ms = interval;
  } else if (global.systemd_interval_ms < 0) {
    global.systemd_interval_ms = kDefaultSystemdIntervalMs;
  }
}

bool check_error_log(const GlobalConfig& global, const Options& options, Reporter& report) {
  if (options.open_error_log) {
    if (const Status opened = options.open_error_log(global); !opened) {
      report.say(Level::Error, opened.error().message);
      return false;
    }
    return true;
  }
  if (!equals_ignoring_case(global.error_log, "syslog") && !can_append(global.error_log, options)) {
    report.system_error("failed to open error_log (", global.error_log, ")");
    return false;
  }
  return true;
}

bool check_event_mechanism(const GlobalConfig& global, Reporter& report) {
  if (is_epoll(global)) {
    return true;
  }
  for (const char* known : {"poll", "select"}) {
    if (equals_ignoring_case(*global.events_mechanism, known)) {
      report.say(Level::Notice, "events.mechanism = ", known,
                 " has no effect: lwc-fpm has no event loop to choose");
      return true;
    }
  }
  report.say(Level::Error, "event mechanism '", *global.events_mechanism,
             "' is not available on this system");
  return false;
}

/// Checks one pool. Every method returns false when it has refused.
class PoolCheck {
 public:
  PoolCheck(Config& config, std::size_t index, const Options& options, Reporter& report)
      : config_(config), pool_(config.pools[index]), options_(options), report_(report) {}

  bool run() {
    return prefix() && user() && listen() && priority() && process_manager() &&
           path_setting("status", pool_.pm_status_path,
                        pool_.pm_status_listen || pool_.status_of) &&
           ping() && logs() && chroot() && chdir() && extensions() && own_keys();
  }

 private:
  template <typename... Parts>
  bool refuse(Level level, const Parts&... parts) {
    report_.say(level, "[pool ", pool_.name, "] ", parts...);
    return false;
  }
  void absolute(std::string& path) { make_absolute(path, pool_.prefix, options_.prefix); }

  bool prefix();
  bool user();
  bool listen();
  bool priority();
  bool process_manager();
  bool dynamic();
  bool ondemand();
  bool path_setting(const char* what, const std::optional<std::string>& path, bool may_be_root);
  bool ping();
  bool logs();
  bool chroot();
  bool chdir();
  bool extensions();
  bool own_keys();

  Config& config_;
  PoolConfig& pool_;
  const Options& options_;
  Reporter& report_;
};

bool PoolCheck::prefix() {
  if (!given(pool_.prefix)) {
    return true;
  }
  make_absolute(*pool_.prefix, std::nullopt, options_.prefix);
  return is_directory(*pool_.prefix) || refuse(Level::Error, "the prefix '", *pool_.prefix,
                                               "' does not exist or is not a directory");
}

bool PoolCheck::user() {
  pool_.allow_root = options_.allow_root;
  return pool_.user || geteuid() != 0 || options_.allow_root ||
         refuse(Level::Alert, "user has not been defined");
}

bool PoolCheck::listen() {
  if (!given(pool_.listen)) {
    return refuse(Level::Alert, "no listen address have been defined!");
  }
  std::string& address = *pool_.listen;
  pool_.listen_is_unix = address.find(':') == std::string::npos &&
                         address.find_first_not_of("0123456789") != std::string::npos;
  if (pool_.listen_is_unix) {
    absolute(address);
  }
  return true;
}

bool PoolCheck::priority() {
  return !is_bad_priority(pool_.process_priority) ||
         refuse(Level::Error, "process.priority must be included into [-19,20]");
}

bool PoolCheck::process_manager() {
  if (pool_.pm == ProcessManager::Unset) {
    return refuse(Level::Alert, "the process manager is missing (static, dynamic or ondemand)");
  }
  if (pool_.pm_max_children < 1) {
    return refuse(Level::Alert, "pm.max_children must be a positive value");
  }
  switch (pool_.pm) {
    case ProcessManager::Dynamic:
      return dynamic();
    case ProcessManager::Ondemand:
      return ondemand();
    default:
      return true;
  }
}

bool PoolCheck::dynamic() {
  const int min = pool_.pm_min_spare_servers;
  const int max = pool_.pm_max_spare_servers;
  if (min <= 0) {
    return refuse(Level::Alert, "pm.min_spare_servers(", min, ") must be a positive value");
  }
  if (max <= 0) {
    return refuse(Level::Alert, "pm.max_spare_servers(", max, ") must be a positive value");
  }
  if (min > pool_.pm_max_children || max > pool_.pm_max_children) {
    return refuse(Level::Alert, "pm.min_spare_servers(", min, ") and pm.max_spare_servers(", max,
                  ") cannot be greater than pm.max_children(", pool_.pm_max_children, ")");
  }
  if (max < min) {
    return refuse(Level::Alert, "pm.max_spare_servers(", max,
                  ") must not be less than pm.min_spare_servers(", min, ")");
  }
  if (pool_.pm_start_servers <= 0) {
    pool_.pm_start_servers = min + (max - min) / 2;
    report_.say(Level::Notice, "[pool ", pool_.name,
                "] pm.start_servers is not set. It's been set to ", pool_.pm_start_servers, ".");
  } else if (pool_.pm_start_servers < min || pool_.pm_start_servers > max) {
    return refuse(Level::Alert, "pm.start_servers(", pool_.pm_start_servers,
                  ") must not be less than pm.min_spare_servers(", min,
                  ") and not greater than pm.max_spare_servers(", max, ")");
  }
  return pool_.pm_max_spawn_rate >= 1 ||
         refuse(Level::Alert, "pm.max_spawn_rate must be a positive value");
}

bool PoolCheck::ondemand() {
  // php-fpm's other mechanisms cannot do it; a file it refuses is refused here.
  if (!is_epoll(config_.global)) {
    return refuse(Level::Alert,
                  "ondemand process manager can ONLY be used when events.mechanism is either epoll "
                  "(Linux) or kqueue (*BSD).");
  }
  if (pool_.pm_process_idle_timeout < 1) {
    return refuse(Level::Alert, "pm.process_idle_timeout(", pool_.pm_process_idle_timeout,
                  "s) must be greater than 0s");
  }
  constexpr int kDefaultBacklog = -1;
  if (pool_.listen_backlog < kDefaultBacklog) {
    report_.say(Level::Warning, "[pool ", pool_.name, "] listen.backlog(", pool_.listen_backlog,
                ") was too low for the ondemand process manager. I updated it for you to ",
                kDefaultBacklog, ".");
    pool_.listen_backlog = kDefaultBacklog;
  }
  pool_.pm_start_servers = pool_.pm_min_spare_servers = pool_.pm_max_spare_servers = 0;
  return true;
}

bool PoolCheck::path_setting(const char* what, const std::optional<std::string>& path,
                             bool may_be_root) {
  if (!given(path)) {
    return true;
  }
  if ((*path)[0] != '/') {
    return refuse(Level::Error, "the ", what, " path '", *path, "' must start with a '/'");
  }
  if (!may_be_root && path->size() < 2) {
    return refuse(Level::Error, "the ", what, " path '", *path, "' is not long enough");
  }
  for (const char c : *path) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
        std::string_view("/-_.~").find(c) == std::string_view::npos) {
      return refuse(Level::Error, "the ", what, " path '", *path,
                    "' must contain only the following characters '[alphanum]/_-.~'");
    }
  }
  return true;
}

bool PoolCheck::ping() {
  if (!path_setting("ping", pool_.ping_path, false)) {
    return false;
  }
  if (!given(pool_.ping_path)) {
    pool_.ping_response.reset();
  } else if (!pool_.ping_response) {
    pool_.ping_response = "pong";
  } else if (pool_.ping_response->empty()) {
    return refuse(Level::Error, "the ping response page '' is not long enough");
  }
  return true;
}

bool PoolCheck::logs() {
  if (given(pool_.access_log)) {
    absolute(*pool_.access_log);
    if (!pool_.access_format) {
      pool_.access_format = kDefaultAccessFormat;
    }
  }
  const bool has_slowlog = given(pool_.slowlog);
  if (has_slowlog) {
    absolute(*pool_.slowlog);
  }
  if (pool_.request_slowlog_timeout != 0) {
    if (!has_slowlog) {
      return refuse(Level::Error,
                    "'slowlog' must be specified for use with 'request_slowlog_timeout'");
    }
    if (!can_append(*pool_.slowlog, options_)) {
      report_.system_error("Unable to create or open slowlog(", *pool_.slowlog, ")");
      return false;
    }
    if (pool_.request_terminate_timeout != 0 &&
        pool_.request_slowlog_timeout > pool_.request_terminate_timeout) {
      return refuse(Level::Error, "'request_slowlog_timeout' (", pool_.request_slowlog_timeout,
                    ") can't be greater than 'request_terminate_timeout' (",
                    pool_.request_terminate_timeout, ")");
    }
  }
  if (pool_.request_slowlog_trace_depth == 0) {
    pool_.request_slowlog_trace_depth = kDefaultTraceDepth;
    return true;
  }
  if (!has_slowlog) {
    return refuse(Level::Error,
                  "'slowlog' must be specified for use with 'request_slowlog_trace_depth'");
  }
  return pool_.request_slowlog_trace_depth > 0 ||
         refuse(Level::Error, "'request_slowlog_trace_depth' (", pool_.request_slowlog_trace_depth,
                ") must be a positive value");
}

bool PoolCheck::chroot() {
  if (!given(pool_.chroot)) {
    return true;
  }
  constexpr std::string_view kToken = "$prefix";
  std::string& path = *pool_.chroot;
  const std::size_t at = path[0] == '/' ? std::string::npos : path.find(kToken);
  if (at == 0) {
    const std::string tail = path.substr(kToken.size());
    path = ".";
    absolute(path);
    path.resize(path.size() - 2);
    path += tail.empty() ? "" : "/" + tail;
  } else if (at != std::string::npos) {
    report_.say(Level::Error, "'$prefix' must be use at the beginning of the value");
  } else {
    absolute(path);
  }
  if (path.empty() || path[0] != '/') {
    return refuse(Level::Error, "the chroot path '", path, "' must start with a '/'");
  }
  return is_directory(path) ||
         refuse(Level::Error, "the chroot path '", path, "' does not exist or is not a directory");
}

bool PoolCheck::chdir() {
  if (!given(pool_.chdir)) {
    return true;
  }
  std::string& path = *pool_.chdir;
  absolute(path);
  if (path[0] != '/') {
    return refuse(Level::Error, "the chdir path '", path, "' must start with a '/'");
  }
  if (!pool_.chroot) {
    return is_directory(path) ||
           refuse(Level::Error, "the chdir path '", path, "' does not exist or is not a directory");
  }
  const std::string inside = *pool_.chroot + "/" + path;
  return is_directory(inside) ||
         refuse(Level::Error, "the chdir path '", path, "' within the chroot path '", *pool_.chroot,
                "' ('", inside, "') does not exist or is not a directory");
}

bool PoolCheck::extensions() {
  if (!pool_.security_limit_extensions) {
    pool_.security_limit_extensions = ".php .phar";
  }
  pool_.limit_extensions = split_blanks(*pool_.security_limit_extensions);
  if (pool_.chroot) {
    return true;
  }
  constexpr std::array<std::string_view, 15> kPathSettings{"error_log",
                                                           "extension_dir",
                                                           "mime_magic.magicfile",
                                                           "sendmail_path",
                                                           "session.cookie_path",
                                                           "session_pgsql.sem_file_name",
                                                           "soap.wsdl_cache_dir",
                                                           "uploadprogress.file.filename_template",
                                                           "xdebug.output_dir",
                                                           "xdebug.profiler_output_dir",
                                                           "xdebug.trace_output_dir",
                                                           "xmms.path",
                                                           "axis2.client_home",
                                                           "blenc.key_file",
                                                           "coin_acceptor.device"};
  for (auto* settings : {&pool_.php_values, &pool_.php_admin_values}) {
    for (KeyValue& setting : *settings) {
      const bool to_syslog = settings == &pool_.php_admin_values &&
                             equals_ignoring_case(setting.key, "error_log") &&
                             equals_ignoring_case(setting.value, "syslog");
      for (const std::string_view name : kPathSettings) {
        if (!to_syslog && equals_ignoring_case(setting.key, name)) {
          absolute(setting.value);
        }
      }
    }
  }
  return true;
}

bool PoolCheck::own_keys() {
  if (pool_.lwc_engine.empty()) {
    pool_.lwc_engine = options_.engine;
  }
  for (Warmup& warmup : pool_.lwc_warmup) {
    absolute(warmup.script);
  }
  if (pool_.lwc_max_snapshots > kMaxSnapshots) {
    return refuse(Level::Error, "lwc.max_snapshots(", pool_.lwc_max_snapshots,
                  ") is more than a pool can keep (", kMaxSnapshots, ")");
  }
  return pool_.lwc_max_snapshots >= 1 ||
         refuse(Level::Error, "lwc.max_snapshots(", pool_.lwc_max_snapshots,
                ") must be a positive value; lwc.snapshots = no turns snapshots off");
}

/// The pool that php-fpm adds for pm.status_listen.
PoolConfig status_pool(PoolConfig& pool) {
  if (!pool.pm_status_path) {
    pool.pm_status_path = "/";
  }
  PoolConfig status;
  status.name = pool.name + "_status";
  status.status_of = pool.name;
  status.listen = pool.pm_status_listen;
  status.listen_acl_groups = pool.listen_acl_groups;
  status.listen_acl_users = pool.listen_acl_users;
  status.listen_allowed_clients = pool.listen_allowed_clients;
  status.listen_group = pool.listen_group;
  status.listen_owner = pool.listen_owner;
  status.listen_mode = pool.listen_mode;
  status.user = pool.user;
  status.group = pool.group;
  status.pm_status_path = pool.pm_status_path;
  status.ping_path = pool.ping_path;
  status.ping_response = pool.ping_response;
  status.pm = ProcessManager::Ondemand;
  status.pm_max_children = 2;
  status.lwc_snapshots = false;
  status.lwc_engine = "fork";  // works everywhere, and this pool has next to nothing to do
  return status;
}

}  // namespace

bool settle_global(GlobalConfig& global, const Options& options, Reporter& report) {
  if (global.pid) {
    make_absolute(*global.pid, std::nullopt, options.prefix, kLocalStateDir);
  }
  global.daemonize = options.daemonize.value_or(global.daemonize);
  report.set_level(global.effective_log_level());
  if (global.log_limit < kMinLogLimit) {
    report.say(Level::Error, "log_limit must be greater than ", kMinLogLimit);
    return false;
  }
  if (global.process_max < 0) {
    report.say(Level::Error, "process_max can't be negative");
    return false;
  }
  if (is_bad_priority(global.process_priority)) {
    report.say(Level::Error, "process.priority must be included into [-19,20]");
    return false;
  }
  settle_systemd(global, report);
  if (!equals_ignoring_case(global.error_log, "syslog")) {
    make_absolute(global.error_log, std::nullopt, options.prefix, kLocalStateDir);
  }
  return check_error_log(global, options, report) && check_event_mechanism(global, report);
}

bool settle_pools(Config& config, const Options& options, Reporter& report) {
  if (config.pools.empty()) {
    report.say(Level::Error,
               "No pool defined. at least one pool section must be specified in config file");
    return false;
  }
  for (std::size_t i = 0; i < config.pools.size(); ++i) {  // grows on the way
    if (config.pools[i].pm_status_listen) {
      PoolConfig status = status_pool(config.pools[i]);
      config.pools.push_back(std::move(status));
    }
    if (!PoolCheck(config, i, options, report).run()) {
      return false;
    }
  }
  for (const PoolConfig& pool : config.pools) {
    for (const PoolConfig& other : config.pools) {
      if (&pool != &other && pool.listen == other.listen) {
        report.say(Level::Error, "[pool ", other.name,
                   "] unable to set listen address as it's already used in another pool '",
                   pool.name, "'");
        return false;
      }
    }
  }
  return true;
}

bool check_access_logs(const Config& config, const Options& options, Reporter& report) {
  for (const PoolConfig& pool : config.pools) {
    if (!pool.access_log) {
      continue;
    }
    if (!can_append(*pool.access_log, options)) {
      report.system_error("failed to open access log (", *pool.access_log, ")");
      return false;
    }
  }
  for (const PoolConfig& pool : config.pools) {
    if (!given(pool.access_log)) {
      continue;
    }
    if (const auto format = log::AccessFormat::parse(*pool.access_format); !format) {
      report.say(Level::Warning, format.error().message);
      report.say(Level::Error, "[pool ", pool.name, "] wrong format for access.format '",
                 *pool.access_format, "'");
      return false;
    }
  }
  return true;
}

}  // namespace lwc::config
