// SPDX-License-Identifier: Apache-2.0
#include "rollback.hpp"

#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "handlers.hpp"
#include "maps.hpp"
#include "undo.hpp"

namespace lwc::rollback {
namespace {

constexpr std::size_t kTables = 4 << 20;  // regions, mappings, buffers

PristineStore const* g_store = nullptr;
Mechanism g_mechanism = Mechanism::None;

/// Room for a private copy of every page that may have to be copied. Only what is used costs
/// memory.
Result<std::size_t> room_needed() {
  std::vector<Mapping> mappings(Image::kMaxRegions);
  std::vector<char> buffer(kMapsBuffer);
  long count = read_mappings(mappings.data(), mappings.size(), buffer.data(), buffer.size());
  if (count < 0) {
    return errno_error("cannot read /proc/self/maps", static_cast<int>(-count));
  }
  std::size_t total = kTables;
  for (long i = 0; i < count; ++i) {
    const Mapping& mapping = mappings[static_cast<std::size_t>(i)];
    if (!mapping.shared && (mapping.protection & PROT_WRITE) != 0) {
      constexpr std::size_t kPerPage = kPageSize + 64;  // the copy and its entries in tables
      total += mapping.range.size() / kPageSize * kPerPage + kPageSize;
    }
  }
  return total;
}

Range rseq_area() {
  if (__rseq_size == 0) {
    return {};
  }
  auto begin = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()) +
               static_cast<std::uintptr_t>(__rseq_offset);
  return {begin, begin + 32};
}

long take(State& state) {
  // In this order: the tracker's descriptors belong to the engine when descriptors are listed.
  state.failing = "memory";
  if (long error = state.image.capture(state, g_store); error < 0) {
    return error;
  }
  state.failing = "write tracking";
  if (long error = state.tracker.arm(state, g_mechanism); error < 0) {
    return error;
  }
  if (long error = state.process.capture(state, &state.failing); error < 0) {
    return error;
  }
  state.failing = "watching system calls";
  return watch_system_calls(state);
}

}  // namespace

Mechanism best_mechanism() {
  if (!system_calls_can_be_watched()) {
    return Mechanism::None;
  }
  for (Mechanism mechanism : {Mechanism::WpAsync, Mechanism::SoftDirty}) {
    if (mechanism_works(mechanism)) {
      return mechanism;
    }
  }
  return Mechanism::None;
}

Status prepare(const Options& options) {
  Result<std::size_t> room = room_needed();
  if (!room) {
    return room.error();
  }
  g_store = options.store;
  g_mechanism = options.mechanism;
  State* state = make_state(*room);
  if (state == nullptr) {
    return Error{"cannot map memory for undoing"};
  }
  state->pid = ::getpid();
  state->image.set_rseq(rseq_area());
  g_state = state;
  return ok();
}

void begin_holder(void* raw) {
  auto* state = static_cast<State*>(raw);
  std::uint64_t all = ~std::uint64_t{0};
  std::uint64_t before = 0;
  gate(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, 8);
  state->process.set_signal_mask(before);
  long error = take(*state);
  if (error < 0) {
    gate(SYS_rt_sigprocmask, SIG_SETMASK, &before, nullptr, 8);
    lwc_context_resume(&state->context, error);
  }
  resume_server(*state, 0);
}

const char* snapshot_error() {
  return g_state->failing;
}

void begin_child(std::chrono::milliseconds deadline) {
  State& state = *g_state;
  state.deadline_set = deadline.count() > 0;
  if (state.deadline_set) {
    state.process.set_deadline(static_cast<std::uint64_t>(deadline.count()));
  }
  state.phase = Phase::Child;
}

void end_child(Ending ending, int status) {
  State& state = *g_state;
  if (gate(SYS_getpid) != state.pid) {
    gate(SYS_exit_group, status);  // a process that the request forked and that came to its end
  }
  state.ending = ending;
  state.ending_status = status;
  lwc_run_on_stack(reinterpret_cast<void*>(state.undo_stack.end), undo, &state);
}

}  // namespace lwc::rollback
