// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "config/config.hpp"
#include "config/identity.hpp"
#include "config/reporter.hpp"

namespace lwc::config {
namespace {

/// With errno for the socket's owner and without for the pool's user, as php-fpm tells them.
template <typename Lookup>
bool check_name(const PoolConfig& pool, const std::optional<std::string>& name, Lookup lookup,
                bool with_errno, Reporter& report) {
  if (!name || is_number(*name)) {
    return true;
  }
  const auto found = lookup(*name);
  if (found) {
    return true;
  }
  if (with_errno) {
    report.system_error("[pool ", pool.name, "] ", found.error().message);
  } else {
    report.say(log::Level::Error, "[pool ", pool.name, "] ", found.error().message);
  }
  return false;
}

void tell_ignored(const PoolConfig& pool, Reporter& report) {
  const auto ignored = [&](bool given, std::string_view name) {
    if (given) {
      report.say(log::Level::Notice, "[pool ", pool.name, "] '", name,
                 "' directive is ignored when FPM is not running as root");
    }
  };
  ignored(!pool.user.value_or("").empty(), "user");
  ignored(!pool.group.value_or("").empty(), "group");
  ignored(!pool.chroot.value_or("").empty(), "chroot");
  ignored(pool.process_priority != kPriorityUnset, "process.priority");
}

}  // namespace

void tell_privileges(const Config& config, const log::Sink& sink) {
  if (geteuid() == 0) {
    return;
  }
  Reporter report(sink);
  report.set_level(config.global.effective_log_level());
  if (config.global.process_priority != kPriorityUnset) {
    report.say(log::Level::Notice,
               "'process.priority' directive is ignored when FPM is not running as root");
  }
  for (const PoolConfig& pool : config.pools) {
    tell_ignored(pool, report);
  }
}

Status check_identities(const Config& config, const log::Sink& sink) {
  Reporter report(sink);
  for (const PoolConfig& pool : config.pools) {
    if (!check_name(pool, pool.user, user_id, false, report) ||
        !check_name(pool, pool.group, group_id, false, report) ||
        !check_name(pool, pool.listen_owner, user_id, true, report) ||
        !check_name(pool, pool.listen_group, group_id, true, report)) {
      return report.error();
    }
  }
  return ok();
}

}  // namespace lwc::config
