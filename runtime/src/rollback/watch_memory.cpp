// SPDX-License-Identifier: Apache-2.0
// System calls that change the address space.
#include <sys/mman.h>
#include <sys/syscall.h>

#include "syscall_watch.hpp"

namespace lwc::rollback {
namespace {

Range range_of(long address, long length) {
  auto begin = static_cast<std::uintptr_t>(address);
  return {page_down(begin), page_up(begin + static_cast<std::uintptr_t>(length))};
}

/// Changes of the record, one at a time: a signal handler that maps memory while the record is
/// being changed makes it unusable.
template <typename Change>
void record(Journal& journal, Change change) {
  if (journal.recording) {
    journal.touched |= kTouchedUnknownMaps;
    journal.taint("mappings changed by nested signal handlers");
    return;
  }
  journal.recording = true;
  change();
  journal.recording = false;
}

void lose(State& state, Range range) {
  state.image.for_each_in(range, [&](const Region& region, Range part) {
    if (region.tracked) {
      state.journal.lost.add(part);
    } else {
      state.journal.taint("a mapping of the snapshot that is not data was changed");
    }
  });
}

void reprotect(State& state, Range range, long protection) {
  state.image.for_each_in(range, [&](const Region& region, Range part) {
    state.journal.reprotected.add(part);
    if (!region.tracked && !region.shared && (protection & PROT_WRITE) != 0) {
      state.journal.taint("a read-only mapping of the snapshot was made writable");
    }
  });
  if ((protection & (PROT_GROWSDOWN | PROT_GROWSUP)) != 0) {
    state.journal.taint("the stack was protected");
  }
}

/// The caller may count on zeros, and a mapping of the copy would show what is in the copy.
void drop(State& state, const Region& region, Range part) {
  if (region.kind != Mapping::Kind::Copy) {
    state.journal.dropped.add(part);
    return;
  }
  state.journal.lost.add(part);
  if (!map_fresh(region, part)) {
    state.journal.taint("dropped memory cannot be mapped anew");
  }
}

void advise(State& state, Range range, long advice) {
  constexpr int kDontNeedLocked = 24;
  switch (advice) {
    case MADV_WILLNEED:
    case MADV_COLD:
    case MADV_PAGEOUT:
    case 22:  // MADV_POPULATE_READ
    case 23:  // MADV_POPULATE_WRITE
      return;
    case MADV_DONTNEED:
    case MADV_FREE:
    case MADV_REMOVE:
    case kDontNeedLocked:
      state.image.for_each_in(range, [&](const Region& region, Range part) {
        if (region.tracked) {
          drop(state, region, part);
        } else if (!region.shared) {
          state.journal.taint("memory of the snapshot that is not data was dropped");
        }
      });
      return;
    default:
      state.image.for_each_in(range, [&](const Region&, Range) {
        state.journal.taint("advice on memory of the snapshot", advice);
      });
  }
}

void remap(State& state, const Call& call, std::uintptr_t result) {
  Range old = range_of(call.args[0], call.args[1]);
  Range now{result, result + page_up(static_cast<std::uintptr_t>(call.args[2]))};
  long flags = call.args[3];
  Journal& journal = state.journal;
  if (old.begin == now.begin) {  // in place: shrunk or grown
    if (now.end < old.end) {
      lose(state, {now.end, old.end});
      journal.fresh.subtract({now.end, old.end});
    } else {
      journal.fresh.add({old.end, now.end});
    }
    return;
  }
  lose(state, old);
  constexpr long kDontUnmap = 4;
  if ((flags & kDontUnmap) == 0) {
    journal.fresh.subtract(old);
  }
  if ((flags & MREMAP_FIXED) != 0) {
    lose(state, now);
  }
  journal.fresh.add(now);
}

void move_break(State& state, std::uintptr_t now) {
  state.journal.touched |= kTouchedHeap;
  Range heap = state.image.program_break();
  if (page_up(now) < heap.end) {
    lose(state, {page_up(now), heap.end});
  }
}

void map(State& state, const Call& call, std::uintptr_t result) {
  Range range = range_of(static_cast<long>(result), call.args[1]);
  long flags = call.args[3];
  if ((flags & MAP_GROWSDOWN) != 0) {
    state.journal.taint("a mapping that grows by itself");
  }
  if ((flags & MAP_FIXED) != 0) {
    lose(state, range);
  }
  state.journal.fresh.add(range);
}

}  // namespace

long watch_memory_call(State& state, const Call& call) {
  Journal& journal = state.journal;
  Pending pending(journal.pending_memory);
  long result = make(call);
  if (result < 0 && result > -4096) {
    return result;
  }
  const long* args = call.args;
  journal.touched |= kTouchedMaps;
  record(journal, [&] {
    auto address = static_cast<std::uintptr_t>(result);
    switch (call.number) {
      case SYS_mmap:
        map(state, call, address);
        break;
      case SYS_munmap:
        lose(state, range_of(args[0], args[1]));
        journal.fresh.subtract(range_of(args[0], args[1]));
        break;
      case SYS_mremap:
        remap(state, call, address);
        break;
      case SYS_pkey_mprotect:
        if (args[3] != -1) {  // which mprotect() leaves as it is
          state.image.for_each_in(range_of(args[0], args[1]), [&](const Region&, Range) {
            journal.taint("a protection key for memory of the snapshot");
          });
        }
        [[fallthrough]];
      case SYS_mprotect:
        reprotect(state, range_of(args[0], args[1]), args[2]);
        break;
      case SYS_madvise:
        advise(state, range_of(args[0], args[1]), args[2]);
        break;
      case SYS_brk:
        move_break(state, address);
        break;
      default:  // shmat, shmdt: how much they map is not in the arguments
        journal.touched |= kTouchedUnknownMaps;
    }
  });
  return result;
}

}  // namespace lwc::rollback
