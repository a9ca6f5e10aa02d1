// SPDX-License-Identifier: Apache-2.0
//
// Light-weight contexts for C++: descriptors that close themselves, resource specifications,
// snapshots that are run and rolled back. lwc(7) is the overview, the manual page of each call has
// its errors. Nothing here allocates while a context is entered or left, and nothing throws then.
//
// A descriptor object is part of the memory that a context copies. In a child it names the same
// contexts as in the parent, by the same numbers, for the descriptor table is copied too; closing
// it there closes it there only.
#pragma once

#include <lwc/raw.h>
#include <lwc/result.hpp>

#include <unistd.h>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace lwc {

/// What a call returned, or why it failed: std::errc has the numbers of errno.
template <typename T = std::monostate>
using CallResult = Result<T, std::errc>;

/// From 0 or more, or -errno.
[[nodiscard]] inline CallResult<> call_result(long value) {
  if (value < 0) {
    return static_cast<std::errc>(-value);
  }
  return std::monostate{};
}

/// Does this kernel have contexts, of the version that this header was made for?
[[nodiscard]] inline bool supported() {
  return lwc_version() == LWC_ABI_VERSION;
}

/// Does it have all of these LWC_FEATURE_* bits?
[[nodiscard]] inline bool supports(std::uint32_t features) {
  const long has = supported() ? lwc_features() : 0;
  return has >= 0 && (static_cast<std::uint32_t>(has) & features) == features;
}

/// What one context hands another when it switches there.
using Arguments = std::array<std::uint64_t, 4>;

inline Arguments arguments(const lwc_event& event) {
  return {event.args[0], event.args[1], event.args[2], event.args[3]};
}

/// How long a context may run before the thread is taken back. Zero: for ever.
struct Budget {
  std::chrono::nanoseconds wall{0};
  std::chrono::nanoseconds cpu{0};
};

/// Owns a descriptor of a context.
class Context {
 public:
  Context() = default;
  explicit Context(int descriptor) : descriptor_(descriptor) {}
  Context(Context&& other) noexcept : descriptor_(other.release()) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { reset(); }

  Context& operator=(Context&& other) noexcept {
    if (this != &other) {
      reset();
      descriptor_ = other.release();
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

  /// Goes there, see lwc_switch(2). Succeeds when something came back, which `event` tells.
  [[nodiscard]] CallResult<> enter(const lwc_switch_args& args, lwc_event& event) const {
    return call_result(lwc_switch(descriptor_, &args, &event));
  }

  /// Puts it back to its snapshot.
  [[nodiscard]] CallResult<> rollback() const { return call_result(lwc_rollback(descriptor_)); }

  /// Takes rights from this descriptor: what it may still be used for.
  [[nodiscard]] CallResult<> restrict(std::span<const lwc_spec> spec) const {
    return call_result(lwc_restrict(descriptor_, spec.data(), static_cast<unsigned>(spec.size())));
  }

  /// Takes resources of this context into the calling one.
  [[nodiscard]] CallResult<> overlay(std::span<const lwc_spec> spec) const {
    return call_result(lwc_overlay(descriptor_, spec.data(), static_cast<unsigned>(spec.size())));
  }

  /// Its accounts.
  [[nodiscard]] CallResult<lwc_info> query() const {
    lwc_info info;
    const CallResult<> result = call_result(lwc_query(descriptor_, &info));
    if (!result) {
      return result.error();
    }
    return info;
  }

 private:
  int descriptor_ = -1;
};

/// Collects the lines of a resource specification. A later line wins over an earlier one; what no
/// line names is copied.
class Spec {
 public:
  /// Memory from start up to, not including, end; both page-aligned.
  Spec& memory(std::uint16_t how, const void* start, const void* end, std::uint32_t flags = 0) {
    return add(lwc_spec_memory(how, start, end, flags));
  }
  Spec& all_memory(std::uint16_t how, std::uint32_t flags = 0) {
    return add(lwc_spec_all(LWC_WHAT_MEMORY, how, flags));
  }
  /// Descriptors from first to last, both included.
  Spec& files(std::uint16_t how, unsigned first, unsigned last, std::uint32_t flags = 0) {
    return add(lwc_spec_files(how, first, last, flags));
  }
  Spec& all_files(std::uint16_t how, std::uint32_t flags = 0) {
    return add(lwc_spec_all(LWC_WHAT_FILES, how, flags));
  }
  Spec& credential(std::uint16_t how, std::uint32_t flags = 0) {
    return add(lwc_spec_all(LWC_WHAT_CRED, how, flags));
  }

  [[nodiscard]] std::span<const lwc_spec> lines() const { return lines_; }

 private:
  Spec& add(const lwc_spec& line) {
    lines_.push_back(line);
    return *this;
  }

  std::vector<lwc_spec> lines_;
};

/// How to make a context. Zero and empty are the defaults of lwc_create(2).
struct CreateOptions {
  std::uint64_t flags = 0;                      ///< LWC_CREATE_*
  std::span<const lwc_spec> spec = {};          ///< of Spec::lines()
  std::uint64_t memory_limit = 0;               ///< private bytes
  std::span<const std::uint64_t> trapped = {};  ///< bitmap of system calls

  /// As the system call takes it; refers to what the spans refer to.
  [[nodiscard]] lwc_create_args args() const {
    lwc_create_args args = {};
    args.flags = flags;
    args.specs = spec.empty() ? 0 : reinterpret_cast<std::uintptr_t>(spec.data());
    args.nr_specs = static_cast<std::uint32_t>(spec.size());
    args.memory_limit = memory_limit;
    args.trap_calls = trapped.empty() ? 0 : reinterpret_cast<std::uintptr_t>(trapped.data());
    args.trap_calls_size = trapped.size_bytes();
    return args;
  }
};

/// A copy of the calling context. It comes back twice, as fork(2) does: with the new context in the
/// caller, and with an empty one in the new context, where `event` tells who entered it and why.
[[nodiscard]] inline CallResult<Context> create(const CreateOptions& options, lwc_event& event) {
  const lwc_create_args args = options.args();
  const long result = lwc_create(&args, &event);
  if (result < 0) {
    return static_cast<std::errc>(-result);
  }
  return result == LWC_ENTERED ? Context() : Context(static_cast<int>(result));
}

/// A context that is ready to run a function again and again, each time from the state that
/// everything had when it was taken. Only the thread that took it can run it.
class Snapshot {
 public:
  /// Takes it. `body(Arguments) -> Arguments` must not throw, nor close a context's descriptor.
  /// What else is wanted, traps or a memory limit for instance, `options` say.
  template <typename Body>
  [[nodiscard]] static CallResult<Snapshot> take(CreateOptions options, Body&& body) {
    options.flags |= LWC_CREATE_ROLLBACK;
    lwc_event event;
    CallResult<Context> made = create(options, event);
    if (!made) {
      return made.error();
    }
    if (!*made) {
      serve(event, body);
    }
    return Snapshot(std::move(*made));
  }

  /// Puts it back, and runs the function. `event` has its answer if its type is LWC_EVENT_SWITCH,
  /// else why the function did not come to its end. The next run finds nothing of this one.
  [[nodiscard]] CallResult<> run(const Arguments& given, lwc_event& event,
                                 Budget budget = {}) const {
    lwc_switch_args args = {};
    args.flags = LWC_SWITCH_ROLLBACK;
    std::copy(given.begin(), given.end(), args.args);
    args.wall_ns = static_cast<std::uint64_t>(budget.wall.count());
    args.cpu_ns = static_cast<std::uint64_t>(budget.cpu.count());
    return context_.enter(args, event);
  }

  [[nodiscard]] const Context& context() const { return context_; }

 private:
  explicit Snapshot(Context context) : context_(std::move(context)) {}

  template <typename Body>
  [[noreturn]] static void serve(lwc_event& event, Body& body) noexcept {
    for (;;) {
      lwc_switch_args args = {};
      const Arguments answer = body(arguments(event));
      std::copy(answer.begin(), answer.end(), args.args);
      if (lwc_switch(event.caller, &args, &event) < 0) {
        std::abort();  // there is nobody to tell
      }
    }
  }

  Context context_;
};

}  // namespace lwc
