// SPDX-License-Identifier: Apache-2.0
#include "wipe_freed.hpp"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace lwc {
namespace {

bool g_wipes = false;

}  // namespace

void wipe_freed_memory(bool on) {
  g_wipes = on;
}

}  // namespace lwc

// These take the standard library's place in the whole program, its other forms lead here.
void* operator new(std::size_t size) {
  if (void* memory = std::malloc(size != 0 ? size : 1)) {
    return memory;
  }
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept {
  if (lwc::g_wipes && memory != nullptr) {
    ::explicit_bzero(memory, ::malloc_usable_size(memory));
  }
  std::free(memory);
}

void operator delete(void* memory, std::size_t /*size*/) noexcept {
  operator delete(memory);
}
