// SPDX-License-Identifier: Apache-2.0
// Reload without a gap: the master executes itself anew and keeps its process id, its listening
// sockets and, as its children, the workers of before. They serve until the new ones are ready and
// then finish what they have begun.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "listener.hpp"

namespace lwc {

class OldWorkers {
 public:
  /// In the successor: what the master before the reload left in the environment. Removes it there,
  /// and adds the sockets to `sockets`.
  static OldWorkers from_environment(std::vector<InheritedSocket>& sockets);

  /// In the predecessor, just before exec: leaves it.
  static void to_environment(const std::vector<InheritedSocket>& sockets,
                             const std::vector<pid_t>& workers, const std::vector<int>& worker_fds);

  /// Asks them to end after their current request.
  void finish();
  void signal_all(int signal) const;
  bool on_exit(pid_t pid);
  bool empty() const { return pids_.empty(); }
  /// Their way to the master, kept open until they have ended.
  const std::vector<int>& fds() const { return fds_; }

 private:
  std::vector<pid_t> pids_;
  std::vector<int> fds_;
};

}  // namespace lwc
