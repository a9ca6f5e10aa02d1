// SPDX-License-Identifier: Apache-2.0
#include <grp.h>
#include <pwd.h>

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

}  // namespace

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
