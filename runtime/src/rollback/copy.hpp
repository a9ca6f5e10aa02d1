// SPDX-License-Identifier: Apache-2.0
// Memory operations for code that must not call into libc: inline, no tables, no lazy binding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lwc::rollback {

inline void copy_bytes(void* to, const void* from, std::size_t size) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

inline void clear_bytes(void* to, std::size_t size) {
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(0) : "memory");
}

/// `size` is a multiple of 32.
inline bool same_bytes(const void* a, const void* b, std::size_t size) {
  const auto* left = static_cast<const std::uint64_t*>(a);
  const auto* right = static_cast<const std::uint64_t*>(b);
  for (std::size_t i = 0; i < size / 8; i += 4) {
    std::uint64_t difference = (left[i] ^ right[i]) | (left[i + 1] ^ right[i + 1]) |
                               (left[i + 2] ^ right[i + 2]) | (left[i + 3] ^ right[i + 3]);
    if (difference != 0) {
      return false;
    }
  }
  return true;
}

inline bool all_zero(const void* a, std::size_t size) {
  const auto* words = static_cast<const std::uint64_t*>(a);
  for (std::size_t i = 0; i < size / 8; i += 4) {
    if ((words[i] | words[i + 1] | words[i + 2] | words[i + 3]) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace lwc::rollback
