// SPDX-License-Identifier: Apache-2.0
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "config/config.hpp"
#include "config/reporter.hpp"

namespace lwc::config {
namespace {

bool needs_lookup(const std::optional<std::string>& name) {
  return name && name->find_first_not_of("0123456789") != std::string::npos;
}

bool check_user(const PoolConfig& pool, const std::optional<std::string>& name, bool with_errno,
                Reporter& report) {
  errno = 0;
  if (!needs_lookup(name) || getpwnam(name->c_str()) != nullptr) {
    return true;
  }
  if (with_errno) {
    report.system_error("[pool ", pool.name, "] cannot get uid for user '", *name, "'");
  } else {
    report.say(log::Level::Error, "[pool ", pool.name, "] cannot get uid for user '", *name, "'");
  }
  return false;
}

bool check_group(const PoolConfig& pool, const std::optional<std::string>& name, bool with_errno,
                 Reporter& report) {
  errno = 0;
  if (!needs_lookup(name) || getgrnam(name->c_str()) != nullptr) {
    return true;
  }
  if (with_errno) {
    report.system_error("[pool ", pool.name, "] cannot get gid for group '", *name, "'");
  } else {
    report.say(log::Level::Error, "[pool ", pool.name, "] cannot get gid for group '", *name, "'");
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
    if (!check_user(pool, pool.user, false, report) ||
        !check_group(pool, pool.group, false, report) ||
        !check_user(pool, pool.listen_owner, true, report) ||
        !check_group(pool, pool.listen_group, true, report)) {
      return report.error();
    }
  }
  return ok();
}

}  // namespace lwc::config
