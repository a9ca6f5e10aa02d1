// SPDX-License-Identifier: Apache-2.0
#include "config/pool_check.hpp"

#include <unistd.h>

#include <array>
#include <cctype>

#include "config/conditions.hpp"
#include "config/paths.hpp"
#include "config/values.hpp"

namespace lwc::config {
namespace {

using log::Level;

constexpr int kDefaultTraceDepth = 20;
constexpr const char* kDefaultAccessFormat = "%R - %u %t \"%m %r\" %s";

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

}  // namespace

bool settle_pool(Config& config, std::size_t index, const Options& options, Reporter& report) {
  return PoolCheck(config, index, options, report).run();
}

}  // namespace lwc::config
