// SPDX-License-Identifier: Apache-2.0
#include "master/emergency_restart.hpp"

#include <algorithm>
#include <limits>

namespace lwc {

EmergencyRestart::EmergencyRestart(int threshold, int interval)
    : interval_(interval),
      last_(threshold > 0 && interval > 0 ? static_cast<std::size_t>(threshold) : 0,
            std::numeric_limits<std::int64_t>::min() / 2) {}

bool EmergencyRestart::crashed(std::int64_t now_seconds) {
  if (last_.empty()) {
    return false;
  }
  last_[next_] = now_seconds;
  next_ = (next_ + 1) % last_.size();
  return std::all_of(last_.begin(), last_.end(),
                     [&](std::int64_t when) { return now_seconds - when <= interval_; });
}

}  // namespace lwc
