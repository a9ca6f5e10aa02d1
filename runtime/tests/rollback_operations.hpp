// SPDX-License-Identifier: Apache-2.0
// Things that a request can do to its process, chosen by a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace lwc::test {

/// What must be known of a request whose memory is undone: lives in shared memory.
struct DareReport {
  volatile bool dared;  ///< set before an operation after which the process may also just end
  volatile int error;   ///< of the dare that was played: dare()
};

/// Blocks, files and descriptors that exist before the snapshot, for operations to work on.
void prepare_playground(const std::string& directory, DareReport* report);

/// Carries out `count` operations drawn from `seed`. May end the process's request by a fault or
/// exit() in the middle.
void play(std::uint64_t seed, int count);

/// Dare number `which` (rollback_dares.hpp), among operations of the other kind.
void play_dare(std::uint64_t seed, std::size_t which);

/// Places that play() changes often, for engines made blind to them.
struct Favourite {
  std::uintptr_t page;
  std::uintptr_t region_begin, region_end;
  int fd;
};
Favourite favourite_places();

}  // namespace lwc::test
