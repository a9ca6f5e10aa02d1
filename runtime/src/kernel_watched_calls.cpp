// SPDX-License-Identifier: Apache-2.0
#include "kernel_watched_calls.hpp"

#include <linux/audit.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "lwc/raw.h"
#include "reach.hpp"

namespace lwc {
namespace {

constexpr std::array kStateCalls{
    SYS_setsid,         SYS_setpgid,       SYS_prctl,        SYS_setpriority,
    SYS_setrlimit,      SYS_prlimit64,     SYS_personality,  SYS_sched_setaffinity,
    SYS_sched_setparam, SYS_sched_setattr, SYS_timer_create, SYS_sched_setscheduler,
    SYS_semop,          SYS_semtimedop,    SYS_ioprio_set,   SYS_set_mempolicy,
};

constexpr std::array kForkCalls{SYS_fork, SYS_vfork, SYS_clone, SYS_clone3};

constexpr std::array kSignalCalls{
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
};

// A call whose number is behind the bitmap's end is trapped: the kernel has none there, but x32's.
constexpr std::size_t kCalls = 1024;
using Bitmap = std::array<std::uint64_t, kCalls / 64>;

template <std::size_t n>
constexpr void add(Bitmap& bits, const std::array<int, n>& calls) {
  for (const auto call : calls) {
    bits[static_cast<std::size_t>(call) / 64] |= std::uint64_t{1} << (call % 64);
  }
}

constexpr Bitmap bitmap() {
  Bitmap bits{};
  add(bits, kStateCalls);
  add(bits, kForkCalls);
  add(bits, kSignalCalls);
  return bits;
}

constexpr Bitmap kBitmap = bitmap();

bool is_self(std::uint64_t id) {
  return static_cast<pid_t>(id) == ::getpid();
}

End end_by(std::uint64_t signal) {
  switch (static_cast<int>(signal)) {
    case SIGKILL:
      return End::Killed;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return End::Stopped;
    default:
      return End::None;
  }
}

}  // namespace

std::span<const std::uint64_t> watched_calls() {
  return kBitmap;
}

long refusal(const lwc_event& call) {
  const lwc_regs& regs = call.regs;
  if (call.args[0] != AUDIT_ARCH_X86_64 || regs.orig_ax >= kCalls) {
    return -ENOSYS;  // whatever PHP is linked with makes none
  }
  switch (static_cast<long>(regs.orig_ax)) {
    case SYS_clone3:
      return -ENOSYS;  // its flags are in memory, and may be others by then; libc takes clone
    case SYS_clone:
      // A sibling of the worker, a child of the master.
      return (regs.di & CLONE_PARENT) != 0 && (regs.di & CLONE_THREAD) == 0 ? -EPERM : 0;
    case SYS_pidfd_send_signal:
      return end_by(regs.si) != End::None ? -EPERM : 0;  // whose descriptor that is, is not known
    default:
      return reaches_others(static_cast<long>(regs.orig_ax), static_cast<long>(regs.di),
                            static_cast<long>(regs.si), static_cast<long>(regs.dx), ::getpid())
                 ? -EPERM
                 : 0;
  }
}

End end_by_signal(const lwc_regs& call) {
  switch (static_cast<long>(call.orig_ax)) {
    case SYS_kill: {
      const auto whom = static_cast<pid_t>(call.di);
      const bool to_many_and_self = whom == 0 || whom == -1 || whom == -::getpgrp();
      return is_self(call.di) || to_many_and_self ? end_by(call.si) : End::None;
    }
    case SYS_rt_sigqueueinfo:
    case SYS_tkill:  // of the thread that serves, whose id is the process's
      return is_self(call.di) ? end_by(call.si) : End::None;
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
      return is_self(call.di) ? end_by(call.dx) : End::None;
    default:
      return End::None;
  }
}

}  // namespace lwc
