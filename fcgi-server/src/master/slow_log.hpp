// SPDX-License-Identifier: Apache-2.0
// The slow log: where requests are that take longer than request_slowlog_timeout. The master stops
// the process with ptrace, reads the engine's records of its calls, and lets it go on. It never
// waits for the stop: a process that the kernel does not let stop is looked at when it does.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <vector>

#include "config/config.hpp"
#include "scoreboard.hpp"

namespace lwc {

class SlowLog {
 public:
  /// `pool` must outlive it.
  SlowLog(const config::PoolConfig& pool, PoolBoard& board);

  bool is_on() const { return pool_.request_slowlog_timeout > 0; }

  /// Looks for requests that have become slow and asks their processes to stop.
  void check();

  /// wait() has told of a stop. False: not one of ours.
  bool on_stop(pid_t pid, int status);
  /// The process is gone. True: it was to be traced.
  bool forget(pid_t pid);

 private:
  struct Trace {
    std::uint32_t slot;
    std::int64_t request_started_ns;
  };

  bool ask_to_stop(pid_t pid, const Trace& trace);
  void write_trace(pid_t pid) const;
  std::string entry(pid_t pid) const;

  const config::PoolConfig& pool_;
  PoolBoard& board_;
  std::map<pid_t, Trace> traces_;
  std::vector<std::int64_t> logged_;  ///< by slot: the start of the request logged last
};

}  // namespace lwc
