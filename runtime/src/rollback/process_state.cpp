// SPDX-License-Identifier: Apache-2.0
#include "process_state.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <cerrno>

#include "copy.hpp"
#include "handlers.hpp"
#include "listing.hpp"
#include "state.hpp"

namespace lwc::rollback {

long ProcessState::capture(State& state, const char** what) {
  *what = "working directory";
  long fd = gate(SYS_open, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return fd;
  }
  cwd_ = static_cast<int>(fd);
  set_engine_fd(cwd_);
  // Kept open: after a chroot() there is no /proc.
  *what = "threads";
  fd = gate(SYS_open, "/proc/self/task", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return fd;
  }
  tasks_ = static_cast<int>(fd);
  set_engine_fd(tasks_);
  umask_ = gate(SYS_umask, 0);
  gate(SYS_umask, umask_);
  personality_ = gate(SYS_personality, 0xffffffff);
  timer_slack_ = gate(SYS_prctl, PR_GET_TIMERSLACK);
  priority_ = 20 - gate(SYS_getpriority, PRIO_PROCESS, 0);
  affinity_size_ = gate(SYS_sched_getaffinity, 0, kAffinityBytes, affinity_);
  gate(SYS_prctl, PR_GET_NAME, name_);
  for (int i = 0; i < 3; ++i) {
    gate(SYS_getitimer, i, &itimers_[i]);
  }
  for (int i = 0; i < static_cast<int>(RLIM_NLIMITS); ++i) {
    gate(SYS_prlimit64, 0, i, nullptr, &limits_[i]);
  }
  siginfo_t info{};
  had_children_ = gate(SYS_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL,
                       nullptr) != -ECHILD;
  *what = "signal handlers";
  if (long error = capture_signals(state); error < 0) {
    return error;
  }
  *what = "descriptors";
  return capture_fds(state);
}

bool ProcessState::make_deadline_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kDeadlineSignal;
  event._sigev_un._tid = static_cast<pid_t>(gate(SYS_gettid));
  return gate(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer_) >= 0;
}

void ProcessState::set_deadline(std::uint64_t milliseconds) {
  if (timer_ < 0 && !make_deadline_timer()) {
    return;
  }
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(milliseconds / 1000);
  when.it_value.tv_nsec = static_cast<long>(milliseconds % 1000 * 1000000);
  gate(SYS_timer_settime, timer_, 0, &when, nullptr);
}

// Every handler must return through the gate: sigreturn from libc would be trapped.
long ProcessState::capture_signals(State& state) {
  stack_t stack{};
  stack.ss_sp = reinterpret_cast<void*>(state.signal_stack.begin);
  stack.ss_size = state.signal_stack.size();
  if (long error = gate(SYS_sigaltstack, &stack, nullptr); error < 0) {
    return error;
  }
  if (long error = install_handlers(); error < 0) {
    return error;
  }
  for (int signal = 1; signal <= kSignals; ++signal) {
    KernelSigaction& action = actions_[signal];
    if (gate(SYS_rt_sigaction, signal, nullptr, &action, 8) < 0) {
      continue;
    }
    bool handled = action.handler != reinterpret_cast<void*>(SIG_DFL) &&
                   action.handler != reinterpret_cast<void*>(SIG_IGN);
    if (handled && (action.flags & SA_RESETHAND) != 0) {
      one_shot_signals_ |= signal_bit(signal);
    }
    if (handled && (action.restorer != lwc_gate_restorer || (action.mask & kNeverBlocked) != 0)) {
      action.restorer = lwc_gate_restorer;
      action.flags |= kSaRestorer;
      action.mask &= ~kNeverBlocked;
      gate(SYS_rt_sigaction, signal, &action, nullptr, 8);
    }
  }
  return 0;
}

bool ProcessState::stop_activity(State& state) {
  Journal& journal = state.journal;
  for (int i = 0; i < journal.timer_count; ++i) {
    gate(SYS_timer_delete, journal.timers[i]);
  }
  for (int i = 0; i < 3; ++i) {
    if ((journal.itimers & (1 << i)) != 0) {
      gate(SYS_setitimer, i, &itimers_[i], nullptr);
    }
  }
  // Of a process that is given up nothing may go on, and not every call of it was seen: those of
  // threads, and all after a thread was made.
  if (journal.tainted) {
    end_threads(state);
  }
  const bool may_have = (journal.touched & kTouchedChildren) != 0 || journal.tainted;
  return !may_have || end_children(state);
}

long ProcessState::open_tasks() const {
  return gate(SYS_openat, tasks_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// Before their stacks are unmapped. One that has blocked the signal stays, and may take the process
// with it: that is given up anyway.
void ProcessState::end_threads(const State& state) {
  constexpr int kMostTries = 100;
  for (int tries = 0; tries < kMostTries; ++tries) {
    int others = 0;
    for_each_number(open_tasks(), buffer_, sizeof buffer_, [&](int thread) -> long {
      if (thread != state.pid) {
        ++others;
        gate(SYS_tgkill, state.pid, thread, kDeadlineSignal);
      }
      return 0;
    });
    if (others == 0) {
      return;
    }
    const timespec nap{0, 200000};
    gate(SYS_nanosleep, &nap, nullptr);
  }
}

// Returns how many there were, or -errno.
long ProcessState::kill_children_of(int thread) {
  char path[24];
  put_number(path, thread, "/children");
  long fd = gate(SYS_openat, tasks_, path, O_RDONLY | O_CLOEXEC);
  long got = fd < 0 ? fd : gate(SYS_read, fd, buffer_, sizeof buffer_);
  gate(SYS_close, fd);
  long killed = 0;
  int pid = 0;
  for (long i = 0; i < got; ++i) {
    if (buffer_[i] >= '0' && buffer_[i] <= '9') {
      pid = pid * 10 + (buffer_[i] - '0');
    } else if (pid != 0) {
      if (gate(SYS_kill, pid, SIGKILL) < 0) {
        return -EPERM;  // of a request that has become another user since
      }
      ++killed;
      pid = 0;
    }
  }
  return got < 0 ? got : killed;
}

bool ProcessState::end_children(State& state) {
  if (had_children_) {
    state.journal.taint("children, beside those of the snapshot");
    return false;
  }
  // Children of threads that go on making new ones are not waited for for ever.
  constexpr int kMostTries = 10000;
  const int self = static_cast<int>(gate(SYS_gettid));
  siginfo_t info{};
  for (int tries = 0;
       gate(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, nullptr) != -ECHILD; ++tries) {
    long found = kill_children_of(self);
    if (found == 0) {
      char threads[1024];
      for_each_number(open_tasks(), threads, sizeof threads, [&](int thread) -> long {
        const long more = kill_children_of(thread);
        found += more > 0 ? more : 0;  // the thread may have ended meanwhile
        return 0;
      });
    }
    if (found < 0 || tries == kMostTries) {
      state.journal.taint(found < 0 ? "children that cannot be ended" : "children without end");
      return false;
    }
    if (found > 0) {
      gate(SYS_waitid, P_ALL, 0, &info, WEXITED | __WALL, nullptr);
    }
  }
  return true;
}

bool ProcessState::restore(State& state) {
  bool ok = restore_fds(state);
  ok = restore_locks(state) && ok;
  if (state.journal.touched != 0) {
    ok = restore_misc(state) && ok;
  }
  restore_signals(state);
  return ok;
}

bool ProcessState::restore_misc(State& state) {
  Journal& journal = state.journal;
  auto put_back = [&](Touched kind, const char* name, auto action) {
    if ((journal.touched & kind) == 0 || action() >= 0) {
      return true;
    }
    journal.taint(name);
    return false;
  };
  bool ok = put_back(kTouchedCwd, "working directory", [&] { return gate(SYS_fchdir, cwd_); });
  ok &= put_back(kTouchedUmask, "umask", [&] { return gate(SYS_umask, umask_); });
  ok &= put_back(kTouchedPersonality, "personality",
                 [&] { return gate(SYS_personality, personality_); });
  ok &= put_back(kTouchedTimerSlack, "timer slack",
                 [&] { return gate(SYS_prctl, PR_SET_TIMERSLACK, timer_slack_); });
  ok &= put_back(kTouchedName, "process name", [&] { return gate(SYS_prctl, PR_SET_NAME, name_); });
  ok &= put_back(kTouchedAffinity, "CPU affinity",
                 [&] { return gate(SYS_sched_setaffinity, 0, affinity_size_, affinity_); });
  ok &= put_back(kTouchedPriority, "priority", [&] {
    return 20 - gate(SYS_getpriority, PRIO_PROCESS, 0) == priority_
               ? 0
               : gate(SYS_setpriority, PRIO_PROCESS, 0, priority_);
  });
  ok &= put_back(kTouchedLimits, "resource limits", [&] {
    long error = 0;
    for (int i = 0; i < static_cast<int>(RLIM_NLIMITS) && error == 0; ++i) {
      rlimit now{};
      gate(SYS_prlimit64, 0, i, nullptr, &now);
      if (now.rlim_cur != limits_[i].rlim_cur || now.rlim_max != limits_[i].rlim_max) {
        error = gate(SYS_prlimit64, 0, i, &limits_[i], nullptr);
      }
    }
    return error;
  });
  return ok;
}

void ProcessState::restore_signals(State& state) {
  Journal& journal = state.journal;
  std::uint64_t changed = journal.changed_signals | one_shot_signals_;
  if ((journal.touched & kTouchedAllSignals) != 0 || journal.pending_process != 0) {
    changed = ~std::uint64_t{0};
  }
  // First dropped, then handled again: an undone handler must not run for what is left over.
  drop_pending_signals(state);
  for (std::uint64_t rest = changed; rest != 0; rest &= rest - 1) {
    int signal = __builtin_ctzll(rest) + 1;
    gate(SYS_rt_sigaction, signal, &actions_[signal], nullptr, 8);
  }
}

// Called with all signals blocked. What the request has brought on itself is dropped; what somebody
// else has sent is sent again and taken when the mask is as before.
void ProcessState::drop_pending_signals(State& state) {
  std::uint64_t pending = 0;
  gate(SYS_rt_sigpending, &pending, 8);
  constexpr int kMaxKept = 8;
  siginfo_t kept[kMaxKept];
  int count = 0;
  const timespec now{};
  for (int guard = 0; pending != 0 && guard < 4096; ++guard) {
    siginfo_t info;
    long signal = gate(SYS_rt_sigtimedwait, &pending, &info, &now, 8);
    if (signal <= 0) {
      break;
    }
    bool sent = info.si_code == SI_USER || info.si_code == SI_QUEUE || info.si_code == SI_TKILL;
    if (sent && info.si_pid != state.pid && signal != kDeadlineSignal && count < kMaxKept) {
      kept[count++] = info;
    }
  }
  for (int i = 0; i < count; ++i) {
    gate(SYS_rt_sigqueueinfo, state.pid, kept[i].si_signo, &kept[i]);
  }
}

}  // namespace lwc::rollback
