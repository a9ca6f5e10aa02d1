// SPDX-License-Identifier: Apache-2.0
#include "master/socket_acl.hpp"

#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/identity.hpp"

namespace lwc {
namespace {

constexpr unsigned kReadWrite = ACL_READ | ACL_WRITE;

std::vector<std::string> names_in(const std::optional<std::string>& list) {
  std::vector<std::string> names;
  const std::string text = list.value_or("");
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

posix_acl_xattr_entry entry(unsigned tag, unsigned permissions, unsigned id = ACL_UNDEFINED_ID) {
  posix_acl_xattr_entry made{};
  made.e_tag = htole16(static_cast<std::uint16_t>(tag));
  made.e_perm = htole16(static_cast<std::uint16_t>(permissions));
  made.e_id = htole32(id);
  return made;
}

/// The numbers of those named in `list`, ascending as the kernel wants them.
template <typename Lookup>
Result<std::vector<unsigned>> ids_in(const std::optional<std::string>& list, Lookup lookup) {
  std::vector<unsigned> ids;
  for (const std::string& name : names_in(list)) {
    const Result<unsigned> id = lookup(name);
    if (!id) {
      return id.error();
    }
    ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

bool has_socket_acl(const config::PoolConfig& pool) {
  return !pool.listen_acl_users.value_or("").empty() ||
         !pool.listen_acl_groups.value_or("").empty();
}

Status set_socket_acl(const config::PoolConfig& pool, unsigned mode) {
  const Result<std::vector<unsigned>> user_ids = ids_in(pool.listen_acl_users, user_id);
  const Result<std::vector<unsigned>> group_ids = ids_in(pool.listen_acl_groups, group_id);
  if (!user_ids || !group_ids) {
    return Error{"[pool " + pool.name + "] " +
                 (user_ids ? group_ids.error() : user_ids.error()).message};
  }
  const unsigned group_permissions = mode >> 3 & 7;
  std::vector<posix_acl_xattr_entry> entries{entry(ACL_USER_OBJ, mode >> 6 & 7)};
  for (const unsigned id : *user_ids) {
    entries.push_back(entry(ACL_USER, kReadWrite, id));
  }
  entries.push_back(entry(ACL_GROUP_OBJ, group_permissions));
  for (const unsigned id : *group_ids) {
    entries.push_back(entry(ACL_GROUP, kReadWrite, id));
  }
  entries.push_back(entry(ACL_MASK, group_permissions | kReadWrite));
  entries.push_back(entry(ACL_OTHER, mode & 7));

  posix_acl_xattr_header header{};
  header.a_version = htole32(POSIX_ACL_XATTR_VERSION);
  std::string value(reinterpret_cast<const char*>(&header), sizeof header);
  value.append(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof entries[0]);
  if (::setxattr(pool.listen->c_str(), "system.posix_acl_access", value.data(), value.size(), 0) !=
      0) {
    return errno_error("[pool " + pool.name + "] failed to write the ACL of the socket '" +
                       *pool.listen + "'");
  }
  return ok();
}

}  // namespace lwc
