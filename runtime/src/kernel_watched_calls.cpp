// SPDX-License-Identifier: Apache-2.0
#include "kernel_watched_calls.hpp"

#include <linux/audit.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>

#include "lwc/raw.h"

namespace lwc {
namespace {

constexpr std::array kStateCalls{
    SYS_setsid,         SYS_setpgid,       SYS_prctl,        SYS_setpriority,
    SYS_setrlimit,      SYS_prlimit64,     SYS_personality,  SYS_sched_setaffinity,
    SYS_sched_setparam, SYS_sched_setattr, SYS_timer_create, SYS_sched_setscheduler,
    SYS_semop,          SYS_semtimedop,    SYS_ioprio_set,   SYS_set_mempolicy,
};

constexpr std::array kSignalCalls{
    SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
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
  add(bits, kSignalCalls);
  return bits;
}

constexpr Bitmap kBitmap = bitmap();

}  // namespace

std::span<const std::uint64_t> watched_calls() {
  return kBitmap;
}

bool is_watched(const lwc_event& call) {
  return call.args[0] == AUDIT_ARCH_X86_64 && call.regs.orig_ax < kCalls;
}

int signal_to_self(const lwc_regs& call) {
  const auto to_self = [](std::uint64_t id) { return static_cast<pid_t>(id) == ::getpid(); };
  switch (static_cast<long>(call.orig_ax)) {
    case SYS_kill: {
      const auto whom = static_cast<pid_t>(call.di);
      const bool to_many_and_self = whom == 0 || whom == -1 || whom == -::getpgrp();
      return to_self(call.di) || to_many_and_self ? static_cast<int>(call.si) : 0;
    }
    case SYS_rt_sigqueueinfo:
    case SYS_tkill:  // of the thread that serves, whose id is the process's
      return to_self(call.di) ? static_cast<int>(call.si) : 0;
    case SYS_tgkill:
    case SYS_rt_tgsigqueueinfo:
      return to_self(call.di) ? static_cast<int>(call.dx) : 0;
    default:
      return 0;
  }
}

}  // namespace lwc
