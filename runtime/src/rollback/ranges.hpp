// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace lwc::rollback {

inline constexpr std::uintptr_t kPageSize = 4096;

inline constexpr std::uintptr_t page_down(std::uintptr_t address) {
  return address & ~(kPageSize - 1);
}
inline constexpr std::uintptr_t page_up(std::uintptr_t address) {
  return page_down(address + kPageSize - 1);
}

struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;

  bool empty() const { return begin >= end; }
  std::size_t size() const { return empty() ? 0 : end - begin; }
  bool contains(std::uintptr_t address) const { return address >= begin && address < end; }
  Range intersect(Range other) const {
    return {begin > other.begin ? begin : other.begin, end < other.end ? end : other.end};
  }
};

/// Disjoint ranges in no particular order, in place. One that does not fit sets overflowed().
template <std::size_t N>
class RangeSet {
 public:
  void clear() {
    size_ = 0;
    overflowed_ = false;
  }
  void add(Range range) {
    if (range.empty()) {
      return;
    }
    // Grow an entry that touches the new one: PHP's allocator asks for neighbouring chunks.
    for (std::size_t i = 0; i < size_;) {
      if (ranges_[i].begin <= range.end && range.begin <= ranges_[i].end) {
        range.begin = ranges_[i].begin < range.begin ? ranges_[i].begin : range.begin;
        range.end = ranges_[i].end > range.end ? ranges_[i].end : range.end;
        ranges_[i] = ranges_[--size_];
        i = 0;
      } else {
        ++i;
      }
    }
    push(range);
  }
  void subtract(Range range) {
    for (std::size_t i = 0; i < size_;) {
      Range old = ranges_[i];
      if (old.intersect(range).empty()) {
        ++i;
        continue;
      }
      ranges_[i] = ranges_[--size_];
      if (old.begin < range.begin) {
        push({old.begin, range.begin});
      }
      if (range.end < old.end) {
        push({range.end, old.end});
      }
      i = 0;
    }
  }
  bool overflowed() const { return overflowed_; }
  bool empty() const { return size_ == 0 && !overflowed_; }
  const Range* begin() const { return ranges_; }
  const Range* end() const { return ranges_ + size_; }

 private:
  void push(Range range) {
    if (size_ == N) {
      overflowed_ = true;
      return;
    }
    ranges_[size_++] = range;
  }

  std::size_t size_ = 0;
  bool overflowed_ = false;
  Range ranges_[N];
};

}  // namespace lwc::rollback
