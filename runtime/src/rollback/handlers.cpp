// SPDX-License-Identifier: Apache-2.0
#include "handlers.hpp"

#include <linux/audit.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <utility>

#include "rollback.hpp"
#include "syscall_watch.hpp"

namespace lwc::rollback {
namespace {

constexpr int kSetDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr int kUserDispatch = 2;  // SYS_USER_DISPATCH
constexpr int kSyscallLength = 2;

/// Lets the call be made where it is, and everything after it unwatched: for calls that cannot be
/// made from inside a signal handler.
void run_natively(State& state, greg_t* registers, const char* why, long number) {
  state.journal.taint(why, number);
  state.journal.touched |= kTouchedUnseen;
  state.selector = 0;
  registers[REG_RIP] -= kSyscallLength;
  registers[REG_RAX] = number;
}

bool shares_memory(const Call& call) {
  switch (call.number) {
    case SYS_vfork:
      return true;
    case SYS_clone:
      return (call.args[0] & CLONE_VM) != 0 || call.args[1] != 0;
    case SYS_clone3: {
      const auto* args = reinterpret_cast<const clone_args*>(call.args[0]);
      return (args->flags & CLONE_VM) != 0 || args->stack != 0;
    }
    default:
      return false;
  }
}

// The mask of a handler ends with the handler: the change belongs into the context it returns to.
long change_mask(const Call& call, ucontext_t* context) {
  auto* mask = reinterpret_cast<std::uint64_t*>(&context->uc_sigmask);
  std::uint64_t before = *mask;
  std::uint64_t wanted = 0;
  if (call.args[1] != 0) {
    wanted = *reinterpret_cast<const std::uint64_t*>(call.args[1]);
    std::uint64_t never = kNeverBlocked | signal_bit(SIGKILL) | signal_bit(SIGSTOP);
    switch (call.args[0]) {
      case SIG_BLOCK:
        *mask |= wanted & ~never;
        break;
      case SIG_UNBLOCK:
        *mask &= ~wanted;
        break;
      case SIG_SETMASK:
        *mask = wanted & ~never;
        break;
      default:
        return -EINVAL;
    }
  }
  if (call.args[2] != 0) {
    *reinterpret_cast<std::uint64_t*>(call.args[2]) = before;
  }
  return 0;
}

void on_trapped_call(int, siginfo_t* info, void* raw) {
  State& state = *g_state;
  auto* context = static_cast<ucontext_t*>(raw);
  greg_t* registers = context->uc_mcontext.gregs;
  if (info->si_code != kUserDispatch) {
    return;  // somebody sent a signal by hand
  }
  ++state.report.trapped;
  long number = info->si_syscall;
  Call call{number,
            {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX], registers[REG_R10],
             registers[REG_R8], registers[REG_R9]}};
  if (info->si_arch != AUDIT_ARCH_X86_64) {
    run_natively(state, registers, "32-bit system call", number);
  } else if (number == SYS_rt_sigreturn || number == SYS_sigaltstack || shares_memory(call)) {
    run_natively(state, registers, "system call", number);
  } else if (number == SYS_rt_sigprocmask) {
    registers[REG_RAX] = change_mask(call, context);
  } else {
    void* outer = std::exchange(state.trapped_context, context);
    registers[REG_RAX] = watched_call(state, call);
    state.trapped_context = outer;
  }
}

bool in_child(const State& state) {
  return state.phase == Phase::Child && !state.undoing && !state.in_forked_copy &&
         gate(SYS_getpid) == state.pid;
}

/// A thread that the request has made, and the process is given up for.
bool in_other_thread(const State& state) {
  return gate(SYS_getpid) == state.pid && gate(SYS_gettid) != state.pid;
}

void on_fault(int signal, siginfo_t* info, void* context) {
  State& state = *g_state;
  if (in_other_thread(state)) {
    if (in_child(state)) {
      gate(SYS_tgkill, state.pid, state.pid, signal);  // who took the snapshot can go back to it
    }
    gate(SYS_exit, 0);
  }
  if (in_child(state)) {
    if (state.faulted != nullptr && !state.reporting) {
      state.reporting = true;  // a second fault, in the unwinder say, is not looked into
      // A signal that a trapped call brought on: what matters is who made the call.
      void* place = state.trapped_context != nullptr ? state.trapped_context : context;
      state.faulted(signal, info, place, state.faulted_argument);
    }
    end_child(Ending::Fault, signal);
  }
  // In the server, or in a copy that the request forked: the default action.
  KernelSigaction action{reinterpret_cast<void*>(SIG_DFL), kSaRestorer, lwc_gate_restorer, 0};
  gate(SYS_rt_sigaction, signal, &action, nullptr, 8);
  if (info->si_code <= 0) {
    gate(SYS_tgkill, gate(SYS_getpid), gate(SYS_gettid), signal);
  }
}

void on_deadline(int, siginfo_t*, void*) {
  const State& state = *g_state;
  if (in_other_thread(state)) {
    gate(SYS_exit, 0);  // ProcessState::end_threads()
  }
  if (in_child(state) &&
      (state.is_limited == nullptr || state.is_limited(state.is_limited_argument))) {
    end_child(Ending::TimedOut, 0);
  }
}

KernelSigaction action_of(void (*handler)(int, siginfo_t*, void*), std::uint64_t flags) {
  return {reinterpret_cast<void*>(handler), flags | kSaRestorer | SA_SIGINFO | SA_ONSTACK,
          lwc_gate_restorer, 0};
}

long install(int signal, const KernelSigaction& action) {
  return gate(SYS_rt_sigaction, signal, &action, nullptr, 8);
}

}  // namespace

KernelSigaction fault_action() {
  return action_of(on_fault, SA_NODEFER);
}

long install_handlers() {
  long error = install(SIGSYS, action_of(on_trapped_call, SA_NODEFER | SA_RESTART));
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
    error = error < 0 ? error : install(signal, fault_action());
  }
  return error < 0 ? error : install(kDeadlineSignal, action_of(on_deadline, 0));
}

long watch_system_calls(State& state) {
  return gate(SYS_prctl, kSetDispatch, 1, lwc_gate_begin, lwc_gate_end - lwc_gate_begin,
              &state.selector);
}

bool system_calls_can_be_watched() {
  return gate(SYS_prctl, kSetDispatch, 0, 0, 0, 0) == 0;
}

void child_killed(State& state, int signal) {
  if (gate(SYS_getpid) == state.pid) {
    end_child(Ending::Fault, signal);
  }
}

void child_exited(State& state, int status) {
  if (gate(SYS_getpid) != state.pid) {
    gate(SYS_exit_group, status);
  }
  end_child(Ending::Exited, status & 0xff);
}

}  // namespace lwc::rollback
