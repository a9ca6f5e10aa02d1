// SPDX-License-Identifier: Apache-2.0
#include "identity.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace lwc {
namespace {

// A number that is too large wraps to one nobody has asked for, root at worst.
std::optional<unsigned> as_number(const std::string& text) {
  const bool digits =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const unsigned long long number = digits ? std::strtoull(text.c_str(), nullptr, 10) : 0;
  return digits && number < ~0U ? std::optional(static_cast<unsigned>(number)) : std::nullopt;
}

}  // namespace

Result<Identity> find_identity(const std::optional<std::string>& user,
                               const std::optional<std::string>& group) {
  Identity who;
  if (user && !user->empty()) {
    who.account = *user;
    who.uid = as_number(*user);
    const passwd* entry = who.uid ? ::getpwuid(*who.uid) : ::getpwnam(user->c_str());
    if (entry == nullptr && !who.uid) {
      return Error{"cannot get uid for user '" + *user + "'"};
    }
    if (entry != nullptr) {
      who.account = entry->pw_name;
      who.gid = entry->pw_gid;
    }
    if (!who.uid) {
      who.uid = entry->pw_uid;
      who.name = entry->pw_name;
      who.home = entry->pw_dir;
    }
  }
  if (group && !group->empty()) {
    who.gid = as_number(*group);
    if (!who.gid) {
      const struct group* entry = ::getgrnam(group->c_str());
      if (entry == nullptr) {
        return Error{"cannot get gid for group '" + *group + "'"};
      }
      who.gid = entry->gr_gid;
    }
  }
  return who;
}

Identity own_identity() {
  Identity who{::getuid(), ::getgid(), "", "", ""};
  if (const passwd* entry = ::getpwuid(::getuid())) {
    who.name = entry->pw_name;
    who.home = entry->pw_dir;
  }
  return who;
}

}  // namespace lwc
