// SPDX-License-Identifier: Apache-2.0
#include "limits.hpp"

#include <sys/resource.h>

namespace lwc {
namespace {

Status set_limit(__rlimit_resource resource, int value, const char* key, const char* name) {
  rlimit limit{};
  limit.rlim_cur = limit.rlim_max = value == -1 ? RLIM_INFINITY : static_cast<rlim_t>(value);
  if (::setrlimit(resource, &limit) == 0) {
    return ok();
  }
  const int number = errno;
  return Error{std::string("failed to set ") + key +
               " for this pool. Please check your system limits or decrease " + key +
               ". setrlimit(" + name + ", " + std::to_string(value) +
               "): " + std::strerror(number) + " (" + std::to_string(number) + ")"};
}

}  // namespace

Status set_limits(int files, int core) {
  Status set = files != 0 ? set_limit(RLIMIT_NOFILE, files, "rlimit_files", "RLIMIT_NOFILE") : ok();
  Status cored = core != 0 ? set_limit(RLIMIT_CORE, core, "rlimit_core", "RLIMIT_CORE") : ok();
  return set ? cored : set;
}

}  // namespace lwc
