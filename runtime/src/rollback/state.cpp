// SPDX-License-Identifier: Apache-2.0
#include "state.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <new>

#include "gate.hpp"

namespace lwc::rollback {
namespace {

constexpr std::size_t kUndoStack = std::size_t{128} * 1024;
constexpr std::size_t kSignalStack = std::size_t{256} * 1024;  // the unwinder runs here too

}  // namespace

State* g_state = nullptr;

void* State::allocate(std::size_t bytes) {
  std::size_t size = page_up(bytes);
  if (size > arena.end - arena_next) {
    return nullptr;
  }
  void* memory = reinterpret_cast<void*>(arena_next);
  arena_next += size;
  return memory;
}

State* make_state(std::size_t extra) {
  std::size_t size = page_up(sizeof(State)) + kUndoStack + kSignalStack + page_up(extra);
  long memory = gate(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory < 0) {
    return nullptr;
  }
  auto* state = new (reinterpret_cast<void*>(memory)) State;
  auto begin = static_cast<std::uintptr_t>(memory);
  state->arena = {begin, begin + size};
  state->arena_next = begin + page_up(sizeof(State));
  auto stack = [state](std::size_t bytes) {
    auto at = reinterpret_cast<std::uintptr_t>(state->allocate(bytes));
    return Range{at, at + bytes};
  };
  state->undo_stack = stack(kUndoStack);
  state->signal_stack = stack(kSignalStack);
  return state;
}

}  // namespace lwc::rollback
