// SPDX-License-Identifier: Apache-2.0
// Undoing a request. Nothing here may use memory that is being undone: it runs on a stack of its
// own, keeps its data in the arena, allocates nothing and calls no library.
#include "undo.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <csignal>

#include "gate.hpp"

namespace lwc::rollback {
namespace {

std::uint64_t now() {
  timespec time{};
  gate(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1000000000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

void unmap_fresh(State& state) {
  Journal& journal = state.journal;
  bool unknown = (journal.touched & kTouchedUnknownMaps) != 0 || journal.fresh.overflowed();
  bool broken = journal.pending_memory != 0 || journal.recording || journal.lost.overflowed() ||
                journal.dropped.overflowed() || journal.reprotected.overflowed();
  if (broken) {
    journal.taint("ended while its mappings were changing");
  }
  if (!unknown && !broken) {
    for (Range range : journal.fresh) {
      gate(SYS_munmap, range.begin, range.size());
    }
  } else if (unknown) {
    state.image.unmap_what_is_new();  // what is missing yet is seen when it has been made again
  }
  // Then nothing is in the way of the break.
  const bool unseen = (journal.touched & kTouchedUnseen) != 0;
  const std::uintptr_t end = state.image.program_break().begin;
  if (((journal.touched & kTouchedHeap) != 0 || unknown || broken || unseen) &&
      gate(SYS_brk, end) != static_cast<long>(end)) {
    journal.taint("the program break cannot be restored");
  }
}

bool map_again(const Region& region, Range part) {
  // What was mapped from the copy becomes memory of its own, like any other from then on.
  // So does what the program break ends: the kernel asks only where that is.
  bool anonymous = region.kind == Mapping::Kind::Anonymous || region.kind == Mapping::Kind::Copy ||
                   region.kind == Mapping::Kind::Heap;
  return anonymous && map_fresh(region, part);
}

void restore_mappings(State& state) {
  Journal& journal = state.journal;
  const Image& image = state.image;
  for (Range range : journal.lost) {
    image.for_each_in(range, [&](const Region& region, Range part) {
      if (!map_again(region, part) || !state.tracker.restore_lost(state, region, part)) {
        journal.taint("a mapping of the snapshot cannot be made again");
      }
    });
  }
  for (Range range : journal.reprotected) {
    image.for_each_in(range, [&](const Region& region, Range part) {
      if (gate(SYS_mprotect, part.begin, part.size(), region.protection) < 0) {
        journal.taint("a mapping's protection cannot be restored");
      }
    });
  }
  for (Range range : journal.dropped) {
    image.for_each_in(range, [&](const Region& region, Range part) {
      if (region.tracked && !state.tracker.restore_lost(state, region, part)) {
        journal.taint("dropped memory cannot be restored");
      }
    });
  }
  bool unknown = (journal.touched & kTouchedUnknownMaps) != 0 || journal.fresh.overflowed();
  if (unknown && !image.unmap_what_is_new()) {
    journal.taint("mappings of the snapshot have changed");
  }
}

// The kernel lets the main stack grow without being asked.
void shrink_stack(State& state) {
  const Region* stack = state.image.stack();
  if (stack == nullptr) {
    return;
  }
  unsigned char present = 0;
  std::uintptr_t begin = stack->range.begin;
  if (gate(SYS_mincore, begin - kPageSize, kPageSize, &present) == 0) {
    std::uintptr_t below = state.image.end_below(begin);
    gate(SYS_munmap, below, begin - below);
  }
}

void restore_memory(State& state) {
  Journal& journal = state.journal;
  state.tracker.look();
  unmap_fresh(state);
  // The process is given up, but has to come back to its server, to say so.
  if ((journal.touched & kTouchedUnseen) != 0) {
    state.image.find_changes(journal);
  }
  bool changed = !journal.lost.empty() || !journal.dropped.empty() ||
                 !journal.reprotected.empty() || (journal.touched & kTouchedUnknownMaps) != 0 ||
                 journal.fresh.overflowed();
  if (changed) {
    restore_mappings(state);
  }
  if (state.tracker.faulted()) {
    shrink_stack(state);
  }
  // A mapping that was merged with a new one counts as soft-dirty as a whole, and its pages may be
  // written without a fault.
  bool soft_dirty = state.tracker.mechanism() == Mechanism::SoftDirty;
  bool everything = (journal.touched & kTouchedMemoryUncounted) != 0 || journal.tainted ||
                    (soft_dirty && (journal.touched & kTouchedMaps) != 0);
  if (!state.tracker.restore_written(state, everything)) {
    journal.taint("written pages cannot be found");
  }
  // Faults of our own: without this they would make the next undo search, for nothing.
  if (changed || everything || state.tracker.faulted()) {
    state.tracker.settle();
  }
}

}  // namespace

void undo(void* raw) {
  State& state = *static_cast<State*>(raw);
  state.undoing = true;
  std::uint64_t all = ~std::uint64_t{0};
  gate(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, 8);
  std::uint64_t begun = now();
  if (state.deadline_set) {
    state.process.set_deadline(0);
    state.deadline_set = false;
  }
  state.process.stop_activity(state);
  restore_memory(state);
  state.process.restore(state);
  state.tainted = state.journal.tainted;
  for (std::size_t i = 0; i < sizeof state.taint_reason; ++i) {
    state.taint_reason[i] = state.journal.taint_reason[i];
  }
  state.journal.clear();
  state.reporting = false;
  state.trapped_context = nullptr;
  state.report.nanoseconds = now() - begun;
  resume_server(state, 1);
}

void resume_server(State& state, long value) {
  state.phase = Phase::Server;
  state.undoing = false;
  if (state.paused != nullptr) {
    state.paused(state.paused_argument);
  }
  state.selector = 1;
  std::uint64_t mask = state.process.signal_mask();
  gate(SYS_rt_sigprocmask, SIG_SETMASK, &mask, nullptr, 8);
  lwc_context_resume(&state.context, value);
}

}  // namespace lwc::rollback
