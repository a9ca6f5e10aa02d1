// SPDX-License-Identifier: Apache-2.0
// What passes between a child and its server: plain data in memory that both share and that no
// engine undoes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lwc {

/// Where and how a child was killed by a signal. Filled in by the child's fault handler, in the
/// child.
struct FaultReport {
  std::int32_t signal = 0;    ///< 0: no fault was recorded
  std::int32_t code = 0;      ///< si_code
  std::int32_t sender = 0;    ///< the process that sent the signal; 0: the processor raised it
  std::uint64_t address = 0;  ///< si_addr, where the processor did
  std::uint64_t ip = 0;       ///< where it happened
  std::uint32_t frame_count = 0;
  std::array<std::uint64_t, 48> frames{};  ///< return addresses, innermost first
};

/// What a child tells its server besides how it ended.
struct ChildReport {
  std::uint32_t answer_started =
      0;  ///< bytes have gone to the client: an error page would be garbage
  std::uint32_t answer_finished = 0;  ///< the answer is whole, also after fastcgi_finish_request()
  std::uint32_t keep_connection = 0;  ///< the client asked for it and the answer is whole
  std::uint32_t unread_input = 0;     ///< the client may still be sending its body
  std::uint32_t wants_snapshot = 0;   ///< lwc_snapshot() was called in a child of the base snapshot
};

/// What undoing the last child cost. Zero where an engine does not know.
struct Cost {
  std::uint64_t pages_written = 0;   ///< pages found changed
  std::uint64_t pages_restored = 0;  ///< pages copied back
  std::uint64_t pages_remapped = 0;  ///< pages whose entry in the page table was put back instead
  std::uint64_t undo_ns = 0;  ///< time to undo, nanoseconds of CPU or wall clock of the server
  std::uint64_t events = 0;   ///< page faults taken to find out what is written
  std::uint64_t calls = 0;    ///< system calls of the engine, and of the request that it looked at
};

/// Bytes that can be protected by themselves.
inline constexpr std::size_t kPage = 4096;

/// One per worker slot. An engine whose children have an address space of their own lets them write
/// from `report` on only.
struct Exchange {
  std::atomic<std::int32_t> child_pid{
      0};  ///< process that runs the request, for status and slow log; 0: none
  Cost cost;
  alignas(kPage) ChildReport report;
  FaultReport fault;
};
static_assert(std::atomic<std::int32_t>::is_always_lock_free);

}  // namespace lwc
