// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace lwc {

/// emergency_restart_threshold and emergency_restart_interval: so many crashes in so short a time
/// look like damaged shared memory (opcache), which only a restart repairs.
class EmergencyRestart {
 public:
  /// Off when either is 0. `interval` in seconds.
  EmergencyRestart(int threshold, int interval);

  /// A process or a request has ended by SIGSEGV or SIGBUS. True: that was one too many.
  bool crashed(std::int64_t now_seconds);

 private:
  int interval_;
  std::vector<std::int64_t> last_;  ///< a ring of the last crashes
  std::size_t next_ = 0;
};

}  // namespace lwc
