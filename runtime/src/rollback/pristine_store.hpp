// SPDX-License-Identifier: Apache-2.0
// The copies of a snapshot's pages, made once in its template and shared by all its holders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lwc/result.hpp"
#include "maps.hpp"
#include "ranges.hpp"

namespace lwc::rollback {

class PristineStore {
 public:
  /// Copies the populated pages of the calling process's private writable mappings into shared
  /// memory: those that are not all zero, and have no copy yet that was made before a fork.
  Status build();

  /// The copy of the page at `address`, or null.
  const void* find(std::uintptr_t address) const;
  std::size_t pages() const { return pages_; }

 private:
  struct Run {
    Range range;           // consecutive pages ...
    const char* contents;  // ... and their copies, in the same order
  };
  struct Copies {
    const Run* runs = nullptr;
    std::size_t count = 0;
    const void* find(std::uintptr_t address) const;
  };
  bool is_needed(std::uintptr_t address) const;
  Status find_runs(const std::vector<Mapping>& mappings, std::vector<Range>& runs) const;

  std::vector<Copies> copies_;  // the latest last
  std::size_t pages_ = 0;
};

}  // namespace lwc::rollback
