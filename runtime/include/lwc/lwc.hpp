// SPDX-License-Identifier: Apache-2.0
//
// Light-weight contexts for C++: a descriptor that closes itself, and a builder for resource
// specifications. Errors are values: a negative errno, as in raw.h. Nothing here allocates while a
// context is entered or left.
//
// A descriptor object is part of the memory that a context copies. In a child it names the same
// contexts as in the parent, by the same numbers, for the descriptor table is copied too; closing
// it there closes it there only.
#pragma once

#include <lwc/raw.h>

#include <unistd.h>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace lwc {

/// Owns a descriptor of a context.
class Context {
 public:
  Context() = default;
  explicit Context(int descriptor) : descriptor_(descriptor) {}
  Context(Context&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { reset(); }

  Context& operator=(Context&& other) noexcept {
    if (this != &other) {
      reset();
      descriptor_ = std::exchange(other.descriptor_, -1);
    }
    return *this;
  }

  /// The number, or -1.
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] explicit operator bool() const { return descriptor_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }

  /// Closes it; the context goes away unless something else needs it.
  void reset() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
    descriptor_ = -1;
  }

  /// Goes there, see lwc_switch(2). 0 or -errno.
  [[nodiscard]] long enter(const lwc_switch_args& args, lwc_event& event) const {
    return lwc_switch_raw(descriptor_, &args, &event);
  }

  /// Puts it back to its snapshot. 0 or -errno.
  [[nodiscard]] long rollback() const { return lwc_rollback_raw(descriptor_); }

  /// 0 or -errno.
  [[nodiscard]] long info(lwc_info& out) const { return lwc_info_raw(descriptor_, &out); }

 private:
  int descriptor_ = -1;
};

/// Collects the lines of a resource specification. A later line wins over an earlier one; what no
/// line names is copied.
class Spec {
 public:
  /// Memory from start up to, not including, end; both page-aligned.
  Spec& memory(std::uint16_t how, const void* start, const void* end, std::uint32_t flags = 0) {
    return add({LWC_WHAT_MEMORY, how, flags, reinterpret_cast<std::uintptr_t>(start),
                reinterpret_cast<std::uintptr_t>(end)});
  }
  /// Descriptors from first to last, both included.
  Spec& files(std::uint16_t how, unsigned first, unsigned last, std::uint32_t flags = 0) {
    return add({LWC_WHAT_FILES, how, flags, first, last});
  }
  Spec& all_files(std::uint16_t how, std::uint32_t flags = 0) {
    return add({LWC_WHAT_FILES, how, flags | LWC_SPEC_ALL, 0, 0});
  }
  Spec& credential(std::uint16_t how, std::uint32_t flags = 0) {
    return add({LWC_WHAT_CRED, how, flags, 0, 0});
  }

  [[nodiscard]] std::span<const lwc_spec> lines() const { return lines_; }

  /// Puts the lines into args, which refer to this object from then on.
  void apply(lwc_create_args& args) const {
    args.specs = reinterpret_cast<std::uintptr_t>(lines_.empty() ? nullptr : lines_.data());
    args.nr_specs = static_cast<std::uint32_t>(lines_.size());
  }

 private:
  Spec& add(const lwc_spec& line) {
    lines_.push_back(line);
    return *this;
  }

  std::vector<lwc_spec> lines_;
};

/// Does this kernel have contexts, of the version that this header was made for?
[[nodiscard]] inline bool supported() {
  return lwc_version_raw() == LWC_ABI_VERSION;
}

}  // namespace lwc
