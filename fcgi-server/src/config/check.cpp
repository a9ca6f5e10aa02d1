// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "config/conditions.hpp"
#include "config/paths.hpp"
#include "config/pool_check.hpp"
#include "config/values.hpp"
#include "log/access_format.hpp"
#include "lwc/engine_traits.hpp"

namespace lwc::config {
namespace {

using log::Level;

constexpr int kMinLogLimit = 512;
constexpr int kDefaultSystemdIntervalMs = 10'000;

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
  status.lwc_engine = portable_engine();  // this pool has next to nothing to do
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
    if (!settle_pool(config, i, options, report)) {
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
