// SPDX-License-Identifier: Apache-2.0
// Reload without a gap: the master executes itself anew and keeps its process id, its listening
// sockets and, as its children, the workers of before. They serve until the new ones are ready and
// then finish what they have begun.
#pragma once

#include <sys/types.h>

#include <vector>

#include "caught_output.hpp"
#include "master/listener.hpp"

namespace lwc {

/// What goes over from the master before a reload to its successor.
struct Handover {
  std::vector<InheritedSocket> sockets;
  std::vector<pid_t> workers;
  std::vector<int> links;     ///< workers' way to the master, kept open until they have ended
  std::vector<int> controls;  ///< of links: where a worker tells that it takes no more connections
  std::vector<CaughtOutput::Source> outputs;
  std::vector<int> log;  ///< LogChannel::fds()

  /// In the predecessor, just before exec: leaves it in the environment.
  void to_environment() const;
  /// In the successor: takes it from there.
  static Handover from_environment();
};

class OldWorkers {
 public:
  OldWorkers() = default;
  explicit OldWorkers(Handover handover);

  /// Asks them to end after their current request, and waits until none takes another one: whoever
  /// connects from here on meets the new configuration.
  void finish();
  /// Asks those again that have not said that they take no more: a request can keep the signal from
  /// its worker, or take it in its place, and the worker would serve for good.
  void remind();
  void signal_all(int signal) const;
  bool on_exit(pid_t pid);
  bool empty() const { return pids_.empty(); }
  /// What is open for them.
  std::vector<int> fds() const;
  /// Descriptors to watch for reading.
  void add_fds(std::vector<pollfd>& fds) const;
  void on_readable(int fd);
  /// Those that are still there, for the next reload.
  void hand_over(Handover& to) const;

 private:
  void read_answers();
  bool take_no_more(pid_t pid) const;

  std::vector<pid_t> pids_;
  std::vector<pid_t> deaf_;  // those that have said so
  std::vector<int> links_;
  std::vector<int> controls_;
  std::vector<CaughtOutput> outputs_;  // of one process each
};

}  // namespace lwc
