// SPDX-License-Identifier: Apache-2.0
#include "scoreboard.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <ctime>
#include <new>

namespace lwc {
namespace {

std::size_t board_size(std::uint32_t slots) {
  return sizeof(PoolBoard) + slots * sizeof(Slot);
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
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

std::string describe_request(const Slot& slot) {
  return "child " + std::to_string(slot.exchange.child_pid.load()) + ", script '" +
         slot.script.data() + "' (request: \"" + slot.method.data() + " " + slot.uri.data() +
         (slot.query[0] != '\0' ? "?" : "") + slot.query.data() + "\")";
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

}  // namespace lwc
