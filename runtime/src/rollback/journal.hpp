// SPDX-License-Identifier: Apache-2.0
// What the system calls of a request have changed, apart from the contents of memory.
//
// Written while the request runs (from ordinary code, from the SIGSYS handler, and from other
// signal handlers that interrupt these), read when it is undone. A call is marked as pending before
// it is made and recorded precisely afterwards: an undo that comes in between finds the mark and
// does not rely on the record.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ranges.hpp"

namespace lwc::rollback {

inline constexpr int kMaxFds = 1024;   // descriptors followed one by one
inline constexpr int kMaxTimers = 16;  // POSIX timers followed one by one
inline constexpr std::size_t kMaxReason = 96;

class FdSet {
 public:
  void clear() {
    for (std::uint64_t& word : words_) {
      word = 0;
    }
  }
  void add(int fd) { words_[word(fd)] |= bit(fd); }
  void remove(int fd) { words_[word(fd)] &= ~bit(fd); }
  bool contains(int fd) const { return fd >= 0 && fd < kMaxFds && (words_[word(fd)] & bit(fd)); }
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < kMaxFds / 64; ++i) {
      for (std::uint64_t rest = words_[i]; rest != 0; rest &= rest - 1) {
        visit(static_cast<int>(i * 64) + __builtin_ctzll(rest));
      }
    }
  }

 private:
  static std::size_t word(int fd) { return static_cast<std::size_t>(fd) / 64; }
  static std::uint64_t bit(int fd) { return std::uint64_t{1} << (fd % 64); }
  std::uint64_t words_[kMaxFds / 64] = {};
};

/// Kinds of state that are restored as a whole when something touched them.
enum Touched : std::uint32_t {
  kTouchedCwd = 1u << 0,
  kTouchedUmask = 1u << 1,
  kTouchedLimits = 1u << 3,
  kTouchedPriority = 1u << 4,
  kTouchedAffinity = 1u << 5,
  kTouchedName = 1u << 6,
  kTouchedChildren = 1u << 7,
  kTouchedPersonality = 1u << 8,
  kTouchedSignalMask = 1u << 9,
  kTouchedAllSignals = 1u << 10,
  kTouchedUnknownFds = 1u << 11,       // compare all descriptors
  kTouchedUnknownMaps = 1u << 12,      // compare all mappings
  kTouchedMemoryUncounted = 1u << 13,  // memory may have been written by another task
  kTouchedHeap = 1u << 14,
  kTouchedMaps = 1u << 15,  // some call changed the address space
  kTouchedTimerSlack = 1u << 16,
  kTouchedUnseen = 1u << 17,  // calls were made that nobody watched
};

struct Journal {
  std::uint32_t touched = 0;
  bool tainted = false;
  char taint_reason[kMaxReason] = {};

  // Calls begun and not yet recorded.
  volatile std::uint32_t pending_memory = 0;
  volatile std::uint32_t pending_fds = 0;
  volatile std::uint32_t pending_process = 0;
  volatile bool recording = false;  // a record is being changed: not for a nested handler

  RangeSet<256> fresh;        // mapped now, not part of the snapshot
  RangeSet<128> lost;         // of the snapshot: unmapped or replaced
  RangeSet<128> dropped;      // of the snapshot: its contents thrown away
  RangeSet<128> reprotected;  // of the snapshot: protection changed

  FdSet opened;                  // by the request
  FdSet server_opened;           // by the server, after the snapshot: not undone
  FdSet lost_fds;                // of the snapshot: closed or replaced
  FdSet used_fds;                // of the snapshot: offset or flags may have changed
  FdSet locked_fds;              // of the snapshot: POSIX locks may have changed
  FdSet other_locked_fds;        // of the snapshot: flock or open file description locks likewise
  FdSet aliases;                 // duplicates of the snapshot's, by whatever number
  FdSet content_aliases;         // those of them that hold something for others to find
  bool unknown_aliases = false;  // any descriptor may be one
  std::uint8_t itimers = 0;      // bit per interval timer that was set
  std::uint64_t changed_signals = 0;
  int timer_count = 0;
  int timers[kMaxTimers] = {};

  void taint(const char* what, long number = -1);
  /// Forgets everything but the server's descriptors.
  void clear();
};

}  // namespace lwc::rollback
