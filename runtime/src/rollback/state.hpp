// SPDX-License-Identifier: Apache-2.0
// Everything the undoing needs, in memory that is itself not undone: one arena per holder, found
// through one pointer that never changes after the snapshot.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "context.hpp"
#include "image.hpp"
#include "journal.hpp"
#include "process_state.hpp"
#include "tracker.hpp"

namespace lwc::rollback {

enum class Phase : std::uint8_t {
  Idle,    // no holder here: calls pass
  Server,  // between requests: memory is followed, the server's descriptors are its own
  Child,   // inside a request: everything is followed
};

enum class Ending : std::int32_t { Done, Exited, Fault, TimedOut };

/// What the last undo found and cost.
struct UndoReport {
  std::uint64_t pages_written = 0;
  std::uint64_t pages_restored = 0;
  std::uint64_t events = 0;
  std::uint64_t nanoseconds = 0;
  std::uint64_t scans = 0;    // since the holder began
  std::uint64_t trapped = 0;  // system calls that took the slow way, since the holder began
};

struct State {
  // Read by the kernel at every system call; 0 lets it pass, 1 makes it a SIGSYS.
  volatile char selector = 0;
  volatile Phase phase = Phase::Idle;
  bool in_forked_copy = false;  // a process that a request forked: nothing is undone there
  volatile bool undoing = false;
  bool deadline_set = false;
  bool reporting = false;
  void* trapped_context = nullptr;  // where the trapped call that is being made was made
  pid_t pid = 0;

  Journal journal;
  Image image;
  Tracker tracker;
  ProcessState process;
  Context context;
  UndoReport report;
  const char* failing = "";  // what could not be done when the snapshot could not be taken

  // Called in a signal handler when the request faults, to write down where: (signal number,
  // siginfo_t, ucontext_t, argument).
  void (*faulted)(int, void*, void*, void*) = nullptr;
  void* faulted_argument = nullptr;

  // Asked in a signal handler when the request's time is over: is it to be ended? Null: it is.
  bool (*is_limited)(void*) = nullptr;
  void* is_limited_argument = nullptr;

  Ending ending = Ending::Done;
  int ending_status = 0;
  int connection = -1;   // of the request that runs: the server's own
  bool tainted = false;  // the last undo left something that it could not put back
  char taint_reason[kMaxReason] = {};

  // For tests: runs on the engine's stack when the snapshot is complete and after every undo.
  void (*paused)(void*) = nullptr;
  void* paused_argument = nullptr;

  Range arena;  // this object and everything below
  std::uintptr_t arena_next = 0;
  Range undo_stack;
  Range signal_stack;

  /// Room in the arena, zeroed; null: full. Nothing is ever given back.
  void* allocate(std::size_t bytes);
};

/// Null where no holder was made.
extern State* g_state;

/// Makes the arena with `extra` bytes of room besides the fixed parts. Null: no memory.
State* make_state(std::size_t extra);

}  // namespace lwc::rollback
