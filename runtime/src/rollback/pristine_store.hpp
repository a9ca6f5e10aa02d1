// SPDX-License-Identifier: Apache-2.0
// The copies of a snapshot's pages, made once in its template and shared by all its holders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lwc/result.hpp"
#include "ranges.hpp"

namespace lwc::rollback {

class PristineStore {
 public:
  /// Copies every populated page of the calling process's private writable mappings into shared
  /// memory.
  Status build();

  /// The copy of the page at `address`, or null.
  const void* find(std::uintptr_t address) const;
  std::size_t pages() const { return pages_; }

 private:
  struct Run {
    Range range;           // consecutive pages ...
    const char* contents;  // ... and their copies, in the same order
  };
  Run* runs_ = nullptr;
  std::size_t run_count_ = 0;
  std::size_t pages_ = 0;
};

}  // namespace lwc::rollback
