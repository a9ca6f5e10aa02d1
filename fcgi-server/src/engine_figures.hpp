// SPDX-License-Identifier: Apache-2.0
// What the snapshot engine did for a worker slot and what that cost, added up. Lives in the
// scoreboard; all zero is a valid state.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "lwc/exchange.hpp"

namespace lwc {

/// Sums since the pool's start, over all workers that had the slot. Written by the holder with the
/// baton, `replacements` by the master.
struct SlotFigures {
  using Count = std::atomic<std::uint64_t>;

  Count undone{0};          ///< requests whose child is gone
  Count pages_written{0};   ///< pages found changed
  Count pages_restored{0};  ///< pages copied back
  Count pages_remapped{0};  ///< pages whose entry in the page table was put back
  Count calls{0};           ///< system calls that the engine needed
  Count undo_ns{0};
  Count events{0};                     ///< page faults outside the learned working set
  Count faults{0};                     ///< requests that were killed by a signal
  Count taints{0};                     ///< requests that left what cannot be undone
  Count replacements{0};               ///< holders made in place of one that ended unbidden
  std::array<char, 128> last_taint{};  ///< what the last one had left

  /// One more request, with its cost.
  void add(const Cost& cost);
  void add_fault();
  void add_taint(std::string_view reason);
  void add_replacement();
};

/// The sums of a pool's slots.
struct PoolFigures {
  std::uint64_t undone = 0;
  std::uint64_t pages_written = 0;
  std::uint64_t pages_restored = 0;
  std::uint64_t pages_remapped = 0;
  std::uint64_t calls = 0;
  std::uint64_t undo_ns = 0;
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  std::uint64_t taints = 0;
  std::uint64_t replacements = 0;

  PoolFigures& operator+=(const SlotFigures& slot);
};

}  // namespace lwc
