// SPDX-License-Identifier: Apache-2.0
#include "config/paths.hpp"

#include <sys/stat.h>

namespace lwc::config {

void make_absolute(std::string& path, const OptionalPath& pool_prefix,
                   const OptionalPath& global_prefix, const char* fallback) {
  if (!path.empty() && path[0] == '/') {
    return;
  }
  const std::string global = global_prefix.value_or(fallback);
  path = pool_prefix.value_or(global) + "/" + path;
  if (path[0] != '/' && pool_prefix) {
    path = global + "/" + path;
  }
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace lwc::config
