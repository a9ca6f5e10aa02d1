// SPDX-License-Identifier: Apache-2.0
// The one piece of code whose system calls the kernel lets through while a holder's calls are
// watched (Syscall User Dispatch takes a single range of addresses).
#pragma once

#include <cstdint>
#include <type_traits>

extern "C" {
/// Makes a system call. Returns -errno on failure; errno itself is not touched.
long lwc_gate_syscall(long number, long a, long b, long c, long d, long e, long f);
/// What signal handlers return to: sigreturn from inside the gate.
void lwc_gate_restorer();
// NOLINTBEGIN(readability-identifier-naming): labels of the assembly
extern const char lwc_gate_begin[];
extern const char lwc_gate_end[];
// NOLINTEND(readability-identifier-naming)
}

namespace lwc::rollback {

template <typename T>
long gate_word(T value) {
  if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}

/// A system call through the gate, with its arguments as they are.
template <typename... Args>
long gate(long number, Args... args) {
  static_assert(sizeof...(Args) <= 6);
  long words[6] = {gate_word(args)...};
  return lwc_gate_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

/// rt_sigaction's own structure; libc's has another layout and hides the restorer.
struct KernelSigaction {
  void* handler;
  std::uint64_t flags;
  void (*restorer)();
  std::uint64_t mask;
};
inline constexpr std::uint64_t kSaRestorer = 0x04000000;

inline constexpr std::uint64_t signal_bit(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

}  // namespace lwc::rollback
