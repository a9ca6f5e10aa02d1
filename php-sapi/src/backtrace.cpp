// SPDX-License-Identifier: Apache-2.0
#include "lwc/php/backtrace.hpp"

#include <array>
#include <cstring>
#include <optional>

#include "php.hpp"

namespace lwc::php {

namespace {

constexpr std::size_t kLongestText = 1023;  // what php-fpm shows of a name
constexpr int kMostSkipped = 100'000;       // frames of internal functions above a line of code

class Walker {
 public:
  explicit Walker(const MemoryReader& read) : read_(read) {}

  bool failed() const { return failed_; }

  template <typename T>
  T value(std::uintptr_t address) {
    T out{};
    if (!failed_ && !read_(address, &out, sizeof out)) {
      failed_ = true;
    }
    return out;
  }

  /// A pointer-sized member of the engine's struct at `address`.
  std::uintptr_t pointer(std::uintptr_t address, std::size_t offset) {
    return value<std::uintptr_t>(address + offset);
  }

  std::string text(std::uintptr_t address) {
    std::string out;
    std::array<char, 64> part;
    while (!failed_ && out.size() < kLongestText) {
      // Up to the next multiple: a text may end at the end of readable memory.
      const std::size_t size = part.size() - address % part.size();
      if (!read_(address, part.data(), size)) {
        failed_ = true;
        break;
      }
      const std::size_t length = ::strnlen(part.data(), size);
      out.append(part.data(), length);
      if (length < size) {
        break;
      }
      address += size;
    }
    out.resize(std::min(out.size(), kLongestText));
    return out;
  }

  std::string name(std::uintptr_t zend_string_address) {
    return text(zend_string_address + offsetof(zend_string, val));
  }

 private:
  const MemoryReader& read_;
  bool failed_ = false;
};

bool is_pointer(std::uintptr_t value) {
  return value != 0 && value % sizeof(void*) == 0;
}

/// Nothing: the script itself, where a trace ends.
std::optional<std::string> function_of(Walker& memory, std::uintptr_t call) {
  const std::uintptr_t function = memory.pointer(call, offsetof(zend_execute_data, func));
  if (!is_pointer(function)) {
    return "???";
  }
  const std::uintptr_t name =
      memory.pointer(function, offsetof(zend_function, common.function_name));
  if (name != 0) {
    return memory.name(name);
  }
  const auto info =
      memory.value<std::uint32_t>(call + offsetof(zend_execute_data, This.u1.type_info));
  if (ZEND_CALL_KIND_EX(info) == ZEND_CALL_TOP_CODE) {
    return std::nullopt;
  }
  return "[INCLUDE_OR_EVAL]";
}

/// Which line of PHP code made the call whose caller is `caller`.
void find_line(Walker& memory, std::uintptr_t caller, Frame& frame) {
  frame.file = "unknown";
  for (int skipped = 0; caller != 0 && skipped < kMostSkipped && !memory.failed(); ++skipped) {
    const std::uintptr_t function = memory.pointer(caller, offsetof(zend_execute_data, func));
    if (!is_pointer(function)) {
      return;
    }
    if (ZEND_USER_CODE(memory.value<zend_uchar>(function + offsetof(zend_function, type)))) {
      frame.file = memory.name(memory.pointer(function, offsetof(zend_op_array, filename)));
      const std::uintptr_t opline = memory.pointer(caller, offsetof(zend_execute_data, opline));
      if (is_pointer(opline)) {
        frame.line = memory.value<std::uint32_t>(opline + offsetof(zend_op, lineno));
      }
      return;
    }
    caller = memory.pointer(caller, offsetof(zend_execute_data, prev_execute_data));
  }
}

std::uintptr_t address_of(const void* global) {
  return reinterpret_cast<std::uintptr_t>(global);
}

}  // namespace

Backtrace read_backtrace(const MemoryReader& read, int depth) {
  Walker memory(read);
  Backtrace trace;
  const std::uintptr_t script = memory.pointer(address_of(&SG(request_info).path_translated), 0);
  if (script != 0) {
    trace.script = memory.text(script);
  }
  std::uintptr_t call = memory.pointer(address_of(&EG(current_execute_data)), 0);
  while (call != 0 && !memory.failed() && static_cast<int>(trace.frames.size()) < depth) {
    const std::optional<std::string> function = function_of(memory, call);
    if (!function) {
      break;
    }
    Frame frame{call, *function, "", 0};
    call = memory.pointer(call, offsetof(zend_execute_data, prev_execute_data));
    find_line(memory, call, frame);
    if (!memory.failed()) {
      trace.frames.push_back(std::move(frame));
    }
  }
  trace.whole = !memory.failed();
  return trace;
}

}  // namespace lwc::php
