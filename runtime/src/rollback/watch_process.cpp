// SPDX-License-Identifier: Apache-2.0
// System calls that change what the kernel keeps for the process.
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <cerrno>

#include "../reach.hpp"
#include "handlers.hpp"
#include "syscall_watch.hpp"

namespace lwc::rollback {
namespace {

constexpr long kSetDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH

/// Would the process die of a fault under this action? An ignored fault kills, too.
bool dies_of(int signal, const KernelSigaction& action) {
  bool by_default = action.handler == reinterpret_cast<void*>(SIG_DFL);
  if (signal == SIGABRT) {
    return by_default;
  }
  bool fault = signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
               signal == SIGTRAP;
  return fault && (by_default || action.handler == reinterpret_cast<void*>(SIG_IGN));
}

long set_action(State& state, const Call& call) {
  int signal = static_cast<int>(call.args[0]);
  const auto* wanted = reinterpret_cast<const KernelSigaction*>(call.args[1]);
  if (wanted == nullptr) {
    return make(call);
  }
  if (signal == SIGSYS || signal == kDeadlineSignal || signal < 1 || signal > kSignals) {
    return -EINVAL;
  }
  KernelSigaction action = *wanted;
  action.restorer = lwc_gate_restorer;
  action.flags |= kSaRestorer;
  action.mask &= ~kNeverBlocked;
  if (state.phase == Phase::Child && dies_of(signal, action)) {
    action = fault_action();
  }
  if (state.phase == Phase::Child) {
    state.journal.changed_signals |= signal_bit(signal);
  }
  return gate(SYS_rt_sigaction, signal, &action, call.args[2], call.args[3]);
}

long set_mask(const Call& call) {
  const auto* wanted = reinterpret_cast<const std::uint64_t*>(call.args[1]);
  if (wanted == nullptr || call.args[0] == SIG_UNBLOCK) {
    return make(call);
  }
  std::uint64_t mask = *wanted & ~kNeverBlocked;
  return gate(SYS_rt_sigprocmask, call.args[0], &mask, call.args[2], call.args[3]);
}

// One that is off again, as at the snapshot, is not set once more by the undo.
long set_itimer(State& state, const Call& call) {
  int which = static_cast<int>(call.args[0]);
  auto bit = static_cast<std::uint8_t>(1 << (which & 7));
  state.journal.itimers |= bit;
  long result = make(call);
  const auto* wanted = reinterpret_cast<const itimerval*>(call.args[1]);
  if (result == 0 && wanted != nullptr && ProcessState::is_off(*wanted) &&
      state.process.itimer_is_off(which)) {
    state.journal.itimers &= static_cast<std::uint8_t>(~bit);
  }
  return result;
}

long create_timer(State& state, const Call& call) {
  long result = make(call);
  Journal& journal = state.journal;
  if (result == 0) {
    if (journal.timer_count == kMaxTimers) {
      journal.taint("more POSIX timers than can be followed");
    } else {
      journal.timers[journal.timer_count++] = *reinterpret_cast<const int*>(call.args[2]);
    }
  }
  return result;
}

bool owns_timer(const Journal& journal, long id) {
  for (int i = 0; i < journal.timer_count; ++i) {
    if (journal.timers[i] == id) {
      return true;
    }
  }
  return false;
}

/// PHP's allocator names each block that it maps, so a large request names many. What the request
/// has mapped goes with its name; on memory of the snapshot a name would stay.
long name_memory(State& state, const Call& call) {
  const long result = make(call);
  if (result == 0) {
    const auto begin = static_cast<std::uintptr_t>(call.args[2]);
    state.image.for_each_in(
        {begin, begin + static_cast<std::uintptr_t>(call.args[3])},
        [&](const Region&, Range) { state.journal.taint("a name for memory of the snapshot"); });
  }
  return result;
}

long control(State& state, const Call& call) {
  switch (call.args[0]) {
    case PR_SET_VMA:
      return name_memory(state, call);
    case kSetDispatch:
      state.journal.touched |= kTouchedUnseen;
      state.journal.taint("prctl", call.args[0]);
      break;
    case PR_SET_NAME:
      state.journal.touched |= kTouchedName;
      break;
    case PR_SET_TIMERSLACK:
      state.journal.touched |= kTouchedTimerSlack;
      break;
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_TIMING:
    case PR_GET_NAME:
    case PR_GET_SECCOMP:
    case PR_CAPBSET_READ:
    case PR_GET_SECUREBITS:
    case PR_GET_TIMERSLACK:
    case PR_GET_CHILD_SUBREAPER:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_THP_DISABLE:
      break;
    default:
      state.journal.taint("prctl", call.args[0]);
  }
  return make(call);
}

/// Is it this process that the call kills? Nothing can be undone after that, so it is ended
/// instead.
bool kills_itself(const State& state, const Call& call) {
  long signal = call.number == SYS_tgkill ? call.args[2] : call.args[1];
  return signal == SIGKILL && static_cast<pid_t>(call.args[0]) == state.pid;
}

// Only copies of the process are made here; what shares its memory goes through run_natively().
long make_process(State& state, const Call& call) {
  // A child may write into this process, through /proc for example.
  state.journal.touched |= kTouchedChildren | kTouchedMemoryUncounted;
  if (call.number == SYS_clone && (call.args[0] & ~(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |
                                                    CLONE_PARENT_SETTID | 0xff)) != 0) {
    state.journal.taint("clone with flags");
  }
  long result = make(call);
  if (result == 0) {
    state.in_forked_copy = true;
    state.phase = Phase::Idle;
  }
  return result;
}

}  // namespace

long watch_process_call(State& state, const Call& call) {
  Journal& journal = state.journal;
  if (reaches_others(call.number, call.args[0], call.args[1], call.args[2], state.pid)) {
    return -EPERM;
  }
  Pending pending(journal.pending_process);
  switch (call.number) {
    case SYS_chdir:
    case SYS_fchdir:
      journal.touched |= kTouchedCwd;
      break;
    case SYS_umask:
      journal.touched |= kTouchedUmask;
      break;
    case SYS_setitimer:
      return set_itimer(state, call);
    case SYS_alarm:
      journal.itimers |= 1 << ITIMER_REAL;
      break;
    case SYS_timer_create:
      return create_timer(state, call);
    case SYS_timer_settime:
    case SYS_timer_delete:
      if (state.process.is_engine_timer(static_cast<int>(call.args[0]))) {
        return -EINVAL;
      }
      if (!owns_timer(journal, call.args[0])) {
        journal.taint("a timer of the snapshot was changed");
      }
      break;
    case SYS_rt_sigaction:
      return set_action(state, call);
    case SYS_rt_sigprocmask:
      return set_mask(call);
    case SYS_setpriority:
      journal.touched |= kTouchedPriority;
      break;
    case SYS_setrlimit:
      journal.touched |= kTouchedLimits;
      break;
    case SYS_prlimit64:
      journal.touched |= call.args[2] != 0 ? kTouchedLimits : 0u;
      break;
    case SYS_sched_setaffinity:
      journal.touched |= kTouchedAffinity;
      break;
    case SYS_prctl:
      return control(state, call);
    case SYS_personality:
      journal.touched |= kTouchedPersonality;
      break;
    case SYS_fork:
    case SYS_clone:
    case SYS_clone3:
      return make_process(state, call);
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
      if (kills_itself(state, call)) {
        child_killed(state, SIGKILL);
      }
      break;
    case SYS_membarrier:
      if (call.args[0] != 0) {
        journal.taint("membarrier");  // the registrations last
      }
      break;
    case SYS_exit:
    case SYS_exit_group:
      child_exited(state, static_cast<int>(call.args[0]));
    case SYS_execve:
    case SYS_execveat:
      break;  // If it succeeds the holder is no more, and its master makes a new one.
    default:
      journal.taint("system call", call.number);
  }
  return make(call);
}

}  // namespace lwc::rollback
