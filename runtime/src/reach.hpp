// SPDX-License-Identifier: Apache-2.0
// System calls by which a request could change other processes, for every engine that sees calls
// before they are made. Inline and without libc: engine rollback asks in a signal handler.
#pragma once

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>

namespace lwc {

/// Does the call change how this or another process is scheduled, or its limits, and not `self`
/// alone? In a process of the same user the kernel allows it: another worker, the template that the
/// next worker is made from. There it could not be undone. `first` to `third` are its arguments.
inline bool reaches_others(long number, long first, long second, long third, pid_t self) {
  const auto is_other = [self](long argument) {
    const auto pid = static_cast<pid_t>(argument);
    return pid != 0 && pid != self;
  };
  constexpr int kIoprioWhoProcess = 1;
  switch (number) {
    case SYS_setpriority:
      return static_cast<int>(first) != PRIO_PROCESS || is_other(second);
    case SYS_ioprio_set:
      return static_cast<int>(first) != kIoprioWhoProcess || is_other(second);
    case SYS_prlimit64:
      return third != 0 && is_other(first);
    case SYS_sched_setaffinity:
    case SYS_sched_setparam:
    case SYS_sched_setscheduler:
    case SYS_sched_setattr:
      return is_other(first);
    default:
      return false;
  }
}

}  // namespace lwc
