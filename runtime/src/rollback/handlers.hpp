// SPDX-License-Identifier: Apache-2.0
// The engine's signal handlers: trapped system calls, faults, the deadline.
#pragma once

#include "state.hpp"

namespace lwc::rollback {

/// Installs the handlers. 0 or -errno.
long install_handlers();

/// The engine's action for faults, also where a request asks for the default: that the process
/// dies.
KernelSigaction fault_action();

/// Traps all system calls of the calling thread outside the gate, from now on. 0 or -errno.
long watch_system_calls(State& state);

/// The request killed its own process: undoes it. Returns only in a copy of the process.
void child_killed(State& state, int signal);
/// The request called exit: undoes it. Does not return.
[[noreturn]] void child_exited(State& state, int status);

}  // namespace lwc::rollback
