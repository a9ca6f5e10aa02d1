// SPDX-License-Identifier: Apache-2.0
// Where a request of another process is, for the slow log. That process was forked from this one,
// so that the engine's globals have the same addresses; it must be stopped meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lwc::php {

struct Frame {
  std::uintptr_t address;  ///< of the engine's record of the call
  std::string function;
  std::string file;  ///< of the code that made the call; "unknown" where there is none
  std::uint32_t line = 0;
};

struct Backtrace {
  std::string script;
  std::vector<Frame> frames;  ///< innermost first; the script itself is not one
  bool whole = true;          ///< false: memory could not be read
};

/// Copies memory of the other process. False: it cannot be read.
using MemoryReader = std::function<bool(std::uintptr_t address, void* to, std::size_t size)>;

/// `depth`: at most so many frames.
Backtrace read_backtrace(const MemoryReader& read, int depth);

}  // namespace lwc::php
