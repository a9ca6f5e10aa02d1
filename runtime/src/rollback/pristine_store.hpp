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
  /// Copies the populated pages of the calling process's private writable mappings into a sealed
  /// file in memory: those that are not all zero, and have no copy yet that was made before a fork.
  /// Large pieces of the heaps are then mapped from that file, privately. So a page that no request
  /// writes is in memory once, and not as a page and its copy.
  Status build() { return build(Which::All); }
  /// The same of those large pieces alone, so that it costs no memory where no engine uses it.
  Status build_heaps() { return build(Which::Moved); }

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
  struct Page {
    std::uintptr_t address;
    bool needed;   // no copy yet
    unsigned run;  // of mappings that may be moved, side by side; 0: must stay
  };
  struct Group {
    std::size_t end;     // index of the first page behind it
    std::size_t needed;  // of those of its pages that are still to come
  };
  struct Piece {
    Range range;
    bool moved;  // to be mapped from the copy
  };
  enum class Which { All, Moved };
  Status build(Which which);
  bool is_needed(std::uintptr_t address) const;
  Status find_pages(const std::vector<Mapping>& mappings, std::vector<Page>& pages) const;
  static Group group_at(const std::vector<Page>& pages, std::size_t first);
  static std::vector<Piece> pieces_of(const std::vector<Page>& pages);
  Status copy(const std::vector<Piece>& pieces);

  std::vector<Copies> copies_;  // the latest last
  std::size_t pages_ = 0;
};

}  // namespace lwc::rollback
