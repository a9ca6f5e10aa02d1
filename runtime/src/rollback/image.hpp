// SPDX-License-Identifier: Apache-2.0
// The memory of a process at its snapshot: what is mapped, and a copy of what may be written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "maps.hpp"
#include "ranges.hpp"

namespace lwc::rollback {

struct Journal;
struct State;
class PristineStore;

struct Region {
  Range range;
  std::uint8_t protection = 0;
  bool shared = false;
  bool tracked = false;  // private and writable: its contents are part of the image
  Mapping::Kind kind = Mapping::Kind::Anonymous;
  std::uint32_t first_page = 0;  // tracked only: index of its first page
  std::uint32_t pages() const { return static_cast<std::uint32_t>(range.size() / kPageSize); }
};

/// Puts memory of zeros in the place of a part of a region, with the region's protection.
bool map_fresh(const Region& region, Range part);

class Image {
 public:
  static constexpr std::size_t kMaxRegions = 4096;

  /// Takes the image of the calling process, which must not be running on a tracked stack.
  /// `store` (may be null) has copies that other processes use too. 0 or -errno.
  long capture(State& state, const PristineStore* store);

  const Region* regions() const { return regions_; }
  std::size_t region_count() const { return region_count_; }
  std::uint32_t page_count() const { return page_count_; }
  std::size_t private_copies() const { return private_copies_; }

  /// The region that `address` lies in, or null.
  const Region* find(std::uintptr_t address) const;
  /// End of the last mapping below `address`.
  std::uintptr_t end_below(std::uintptr_t address) const;
  const void* source(std::uint32_t page) const { return sources_[page]; }
  std::uintptr_t address(const Region& region, std::uint32_t page) const {
    return region.range.begin + std::uintptr_t{page - region.first_page} * kPageSize;
  }
  Range program_break() const { return break_; }
  /// The main thread's stack, or null.
  const Region* stack() const { return stack_; }

  /// Calls visit(const Region&, Range part) for every part of the image in `range`.
  template <typename Visit>
  void for_each_in(Range range, Visit visit) const {
    for (std::size_t i = first_not_below(range.begin); i < region_count_; ++i) {
      if (regions_[i].range.begin >= range.end) {
        break;
      }
      visit(regions_[i], regions_[i].range.intersect(range));
    }
  }

  /// Puts the contents of a page, or of consecutive ones, back. No source: zeros.
  void restore(std::uintptr_t address, const void* source, std::size_t size = kPageSize) const;
  /// Undoes, comparing the process's mappings with the image. False: a mapping of the image itself
  /// has changed.
  bool unmap_what_is_new() const;
  /// What is missing of the image goes to `lost`, what has another protection to `reprotected`, as
  /// far as it can be made again.
  void find_changes(Journal& journal) const;
  /// The kernel's own writes to the thread's rseq area, which restore() must leave alone.
  void set_rseq(Range area) { rseq_ = area; }

 private:
  /// Index of the first region that ends above `address`.
  std::size_t first_not_below(std::uintptr_t address) const;
  long read_regions(State& state);
  long copy_region(State& state, const PristineStore* store, const Region& region);
  const void* copy_of(State& state, const PristineStore* store, std::uintptr_t address);

  Region* regions_ = nullptr;
  std::size_t region_count_ = 0;
  const void** sources_ = nullptr;
  std::uint32_t page_count_ = 0;
  std::size_t private_copies_ = 0;
  const Region* stack_ = nullptr;
  Range break_;
  Range rseq_;
  Mapping* mappings_ = nullptr;  // scratch
  char* buffer_ = nullptr;       // scratch
  int pagemap_ = -1;
};

inline constexpr std::size_t kMapsBuffer = std::size_t{64} * 1024;

}  // namespace lwc::rollback
