// SPDX-License-Identifier: Apache-2.0
// A process that undoes itself: the mechanism, without a daemon around it.
//
//   prepare(options);
//   switch (take_snapshot()) { ... }     // returns again after every undo
//   begin_child();  ... anything ...  end_child(Ending::Done, 0);
#pragma once

#include <chrono>

#include "lwc/result.hpp"
#include "state.hpp"
#include "tracker.hpp"

namespace lwc::rollback {

class PristineStore;

struct Options {
  Mechanism mechanism = Mechanism::None;
  const PristineStore* store = nullptr;
};

/// The best mechanism of this machine; None where there is none or system calls cannot be watched.
Mechanism best_mechanism();
/// Does this kernel have Syscall User Dispatch?
bool system_calls_can_be_watched();

/// Makes what the undoing needs, for this process. Once.
Status prepare(const Options& options);

/// Makes the caller's place the snapshot. Returns 0 when it is taken, 1 after every undo, -errno
/// when it cannot be taken: snapshot_error() tells more.
#define LWC_TAKE_SNAPSHOT()                                                                 \
  lwc_context_save_and_run(&lwc::rollback::g_state->context,                                \
                           reinterpret_cast<void*>(lwc::rollback::g_state->undo_stack.end), \
                           lwc::rollback::begin_holder, lwc::rollback::g_state)
void begin_holder(void* state);
const char* snapshot_error();

/// From here to end_child() everything is undone, and followed.
void begin_child(std::chrono::milliseconds deadline);
[[noreturn]] void end_child(Ending ending, int status);

}  // namespace lwc::rollback
