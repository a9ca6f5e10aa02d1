// SPDX-License-Identifier: Apache-2.0
#include "config/identity.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace lwc {
namespace {

// A number that is too large wraps to one nobody has asked for, root at worst.
std::optional<unsigned> as_number(const std::string& text) {
  const unsigned long long number =
      is_number(text) ? std::strtoull(text.c_str(), nullptr, 10) : ~0ULL;
  return number < ~0U ? std::optional(static_cast<unsigned>(number)) : std::nullopt;
}

Error no_user(const std::string& name) {
  return Error{"cannot get uid for user '" + name + "'"};
}

}  // namespace

bool is_number(const std::string& text) {
  return text.find_first_not_of("0123456789") == std::string::npos;
}

Result<uid_t> user_id(const std::string& name) {
  errno = 0;
  const passwd* entry = ::getpwnam(name.c_str());
  return entry != nullptr ? Result<uid_t>(entry->pw_uid) : no_user(name);
}

Result<gid_t> group_id(const std::string& name) {
  errno = 0;
  const group* entry = ::getgrnam(name.c_str());
  return entry != nullptr ? Result<gid_t>(entry->gr_gid)
                          : Error{"cannot get gid for group '" + name + "'"};
}

Result<Identity> find_identity(const std::optional<std::string>& user,
                               const std::optional<std::string>& group) {
  Identity who;
  if (user && !user->empty()) {
    who.account = *user;
    who.uid = as_number(*user);
    const passwd* entry = who.uid ? ::getpwuid(*who.uid) : ::getpwnam(user->c_str());
    if (entry == nullptr && !who.uid) {
      return no_user(*user);
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
      const Result<gid_t> found = group_id(*group);
      if (!found) {
        return found.error();
      }
      who.gid = *found;
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
