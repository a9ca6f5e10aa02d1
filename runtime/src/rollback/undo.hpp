// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "state.hpp"

namespace lwc::rollback {

/// Undoes the request and goes on at the snapshot. Runs on the engine's own stack; `state` is a
/// State. Does not return.
void undo(void* state);

/// Leaves the engine's stack for the snapshot's place in the program, which sees `value` returned.
[[noreturn]] void resume_server(State& state, long value);

}  // namespace lwc::rollback
