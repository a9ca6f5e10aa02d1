// SPDX-License-Identifier: Apache-2.0
// Users and groups by the names that the configuration gives them, as php-fpm understands them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "lwc/result.hpp"

namespace lwc {

struct Identity {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::string account;  ///< whose supplementary groups count: the user's name where it has one
  std::string name;     ///< of the user, for the environment: only where it was given by name
  std::string home;
};

/// What is made of digits only is a number, also where somebody has such a name, and need not
/// exist. A user that exists brings its own group, unless `group` names another. What is not given
/// is not set.
Result<Identity> find_identity(const std::optional<std::string>& user,
                               const std::optional<std::string>& group);

/// By name alone: php-fpm looks up what an access control list names as it stands, digits or not.
/// The error leaves errno as the lookup did, 0 where there simply is no such name.
Result<uid_t> user_id(const std::string& name);
Result<gid_t> group_id(const std::string& name);

/// Made of digits only, and so a number wherever a user or group is not named in a list.
bool is_number(const std::string& text);

/// Who the process is now.
Identity own_identity();

}  // namespace lwc
