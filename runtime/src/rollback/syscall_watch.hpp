// SPDX-License-Identifier: Apache-2.0
// Makes a system call on behalf of the holder and writes down what it changes.
//
// Two ways lead here: the libc functions that interpose.cpp replaces (the frequent ones, at no
// cost worth measuring), and the SIGSYS handler for every other system call, wherever in the
// process it is made. A call that is not understood taints the holder.
#pragma once

#include "state.hpp"

namespace lwc::rollback {

struct Call {
  long number;
  long args[6];
};

/// Returns what the kernel returned: -errno on failure.
long watched_call(State& state, const Call& call);

/// The same for calls of the named kinds.
long watch_memory_call(State& state, const Call& call);
long watch_descriptor_call(State& state, const Call& call);
long watch_process_call(State& state, const Call& call);

/// Which of the three knows this call.
enum class Concern : unsigned char { Unknown, None, Memory, Descriptor, Process };
Concern concern_of(long number);

inline long make(const Call& call) {
  const long* a = call.args;
  return lwc_gate_syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/// While alive, what `counter` counts is not to be relied on by an undo.
class Pending {
 public:
  explicit Pending(volatile std::uint32_t& counter) : counter_(counter) { counter_ = counter_ + 1; }
  ~Pending() { counter_ = counter_ - 1; }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

 private:
  volatile std::uint32_t& counter_;
};

}  // namespace lwc::rollback
