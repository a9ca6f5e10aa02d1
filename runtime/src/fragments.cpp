// SPDX-License-Identifier: Apache-2.0
#include "lwc/fragments.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace lwc {
namespace {

// The free memory at the heap's end, from which the C library takes what it has no fragment for.
std::uintptr_t end_of_used_heap() {
  return reinterpret_cast<std::uintptr_t>(::sbrk(0)) - ::mallinfo2().keepcost;
}

// Takes fragments of at least `size` bytes until there is none.
void use_up(std::size_t size) {
  constexpr std::size_t kAtMost = 100'000;
  const std::uintptr_t end = end_of_used_heap();
  for (std::size_t i = 0; i < kAtMost; ++i) {
    void* taken = std::malloc(size);
    const auto address = reinterpret_cast<std::uintptr_t>(taken);
    if (taken == nullptr || address >= end) {
      std::free(taken);
      return;
    }
  }
}

}  // namespace

void use_up_fragments() {
  constexpr std::size_t kLargest = 32 * 1024;
  constexpr std::size_t kSmallest = 24;
  constexpr std::size_t kStep = 16;
  for (std::size_t size = kLargest; size > 1024; size /= 2) {
    use_up(size);
  }
  for (std::size_t size = 1032; size >= kSmallest; size -= kStep) {
    use_up(size);
  }
}

}  // namespace lwc
