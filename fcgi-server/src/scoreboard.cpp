// SPDX-License-Identifier: Apache-2.0
#include "scoreboard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <tuple>

namespace lwc {
namespace {

// Linux 6.10, on all architectures; Debian 12's headers do not know it.
constexpr long kMseal = 462;

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

Status seal(void* start, std::size_t size, int protection) {
  if (size == 0) {
    return ok();
  }
  if (::mprotect(start, size, protection) != 0) {
    return errno_error("cannot protect the scoreboard");
  }
  if (::syscall(kMseal, start, size, 0UL) != 0) {
    return errno_error("cannot seal the scoreboard");
  }
  return ok();
}

template <typename Condition>
bool any_ready_that(const PoolBoard& board, Condition condition) {
  for (const SnapshotEntry& entry : board.snapshots) {
    const SnapshotState state = entry.state.load(std::memory_order_acquire);
    if (state == SnapshotState::Free) {
      break;
    }
    if (state == SnapshotState::Ready && condition(entry)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::int64_t monotonic_ns() {
  return clock_ns(CLOCK_MONOTONIC);
}

std::int64_t realtime_ns() {
  return clock_ns(CLOCK_REALTIME);
}

SnapshotEntry* PoolBoard::find(std::uint64_t key, std::string_view script) {
  for (SnapshotEntry& entry : snapshots) {
    if (entry.state.load(std::memory_order_acquire) == SnapshotState::Free) {
      break;
    }
    if (entry.key == key && script == entry.script.data()) {
      return &entry;
    }
  }
  return nullptr;
}

SnapshotEntry* PoolBoard::find_ready(std::uint64_t key, std::string_view script,
                                     bool with_path_info) {
  for (SnapshotEntry& entry : snapshots) {
    const SnapshotState state = entry.state.load(std::memory_order_acquire);
    if (state == SnapshotState::Free) {
      break;
    }
    if (state != SnapshotState::Ready || entry.key != key) {
      continue;
    }
    std::string_view own = entry.script.data();
    if (script == own || (with_path_info && script.size() > own.size() && script.starts_with(own) &&
                          script[own.size()] == '/')) {
      return &entry;
    }
  }
  return nullptr;
}

bool PoolBoard::is_current(SnapshotId id) const {
  return id == kBaseSnapshot ||
         any_ready_that(*this, [id](const SnapshotEntry& entry) { return entry.id == id; });
}

SnapshotEntry* PoolBoard::entry_of(SnapshotId id) {
  for (SnapshotEntry& entry : snapshots) {
    const SnapshotState state = entry.state.load(std::memory_order_acquire);
    if (state == SnapshotState::Free) {
      break;
    }
    if (state == SnapshotState::Ready && entry.id == id) {
      return &entry;
    }
  }
  return nullptr;
}

bool PoolBoard::any_ready() const {
  return any_ready_that(*this, [](const SnapshotEntry&) { return true; });
}

PoolFigures PoolBoard::figures() {
  PoolFigures sum;
  for (std::uint32_t i = 0; i < slots_touched.load(); ++i) {
    sum += slot(i).figures;
  }
  return sum;
}

std::string describe_script(const Slot& slot) {
  const std::string query = text_of(slot.query);
  return "script '" + text_of(slot.script) + "' (request: \"" + text_of(slot.method) + " " +
         text_of(slot.uri) + (query.empty() ? "" : "?") + query + "\")";
}

std::string describe_request(const Slot& slot) {
  return "child " + std::to_string(slot.exchange.child_pid.load()) + ", " + describe_script(slot);
}

std::uint32_t Slot::send_baton(SnapshotId from, SnapshotId to) {
  std::uint32_t number = transfers.fetch_add(1) + 1;
  if (number == 0) {  // once around
    number = transfers.fetch_add(1) + 1;
  }
  baton_from = from;  // before the baton: who sees that it travels must see whose message it is
  baton = Baton{to, number};
  return number;
}

void set_active(PoolBoard& board, Slot& slot, bool active) {
  const std::uint32_t before = slot.active.exchange(active ? 1 : 0);
  if (before == 1 && !active) {
    board.active.fetch_sub(1);
  } else if (before == 0 && active) {
    const std::uint32_t now = board.active.fetch_add(1) + 1;
    std::uint32_t most = board.max_active.load();
    while (now > most && !board.max_active.compare_exchange_weak(most, now)) {
    }
  }
}

Progress Slot::progress() const {
  const Stage seen = stage.load();
  const std::int64_t started = request_started_ns.load();
  return {seen, started, monotonic_ns() - started};
}

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::Idle:
      return "Idle";
    case Stage::ReadingHeaders:
      return "Reading headers";
    case Stage::Info:
      return "Getting request information";
    case Stage::Running:
      return "Running";
    case Stage::Finishing:
      return "Finishing";
    case Stage::Ended:
      break;
  }
  return "Ending";
}

std::size_t board_size(std::uint32_t slots) {
  return sizeof(PoolBoard) + slots * sizeof(Slot);
}

void UnmapBoard::operator()(PoolBoard* board) const {
  ::munmap(board, board_size(board->slot_count));
}

Result<PoolBoardPtr> make_board(std::uint32_t slots) {
  void* memory =
      ::mmap(nullptr, board_size(slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return errno_error("cannot map shared memory for " + std::to_string(slots) + " worker slots");
  }
  auto* board = new (memory) PoolBoard;
  board->slot_count = slots;
  // A slot that is all zero is one that was never used, and the mapping is zero. Constructing
  // thousands of them would make the kernel provide their pages.
  return PoolBoardPtr(board);
}

Result<PoolBoardPtr> seal_board(PoolBoard& board, std::uint32_t slot) {
  const std::size_t size = board_size(board.slot_count);
  void* view = ::mremap(&board, 0, size, MREMAP_MAYMOVE);  // of shared memory: maps it once more
  if (view == MAP_FAILED) {
    return errno_error("cannot map the scoreboard once more");
  }
  PoolBoardPtr writable(static_cast<PoolBoard*>(view));
  char* begin = reinterpret_cast<char*>(&board);
  char* own = reinterpret_cast<char*>(&board.slot(slot).exchange.report);
  char* behind = reinterpret_cast<char*>(&board.slot(slot + 1));
  // The child's part is sealed as well: nobody is to put something else in its place.
  for (const auto& [start, end, protection] :
       {std::tuple{begin, own, PROT_READ}, std::tuple{own, behind, PROT_READ | PROT_WRITE},
        std::tuple{behind, begin + size, PROT_READ}}) {
    if (Status sealed = seal(start, static_cast<std::size_t>(end - start), protection); !sealed) {
      return sealed.error();
    }
  }
  return writable;
}

Status seal_board(PoolBoard& board) {
  return seal(&board, board_size(board.slot_count), PROT_READ);
}

}  // namespace lwc
