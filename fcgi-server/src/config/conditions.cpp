// SPDX-License-Identifier: Apache-2.0
#include "config/conditions.hpp"

#include <fcntl.h>

#include "config/text.hpp"
#include "config/values.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc::config {

bool given(const std::optional<std::string>& text) {
  return text && !text->empty();
}

bool is_bad_priority(int priority) {
  return priority != kPriorityUnset && (priority < -19 || priority > 20);
}

bool can_append(const std::string& path, const Options& options) {
  if (!options.touch_files) {
    return true;
  }
  const UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR));
  return static_cast<bool>(fd);
}

bool is_epoll(const GlobalConfig& global) {
  return !global.events_mechanism || equals_ignoring_case(*global.events_mechanism, "epoll");
}

}  // namespace lwc::config
