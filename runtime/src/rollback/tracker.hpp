// SPDX-License-Identifier: Apache-2.0
// Which pages were written since the last undo.
//
// Two mechanisms of the kernel, both resolved inside the kernel, so that its own writes into user
// buffers are seen and never fail:
//   WpAsync    userfaultfd write protection, asynchronous, with PAGEMAP_SCAN  (Linux 6.7)
//   SoftDirty  soft-dirty bits, read from /proc/self/pagemap   (CONFIG_MEM_SOFT_DIRTY)
//
// Under both, the first write to a page is a page fault of this process, and the kernel counts
// those. No fault since the last undo: no page outside the working set was written, and nothing
// needs to be walked. Pages that most requests write belong to the working set: they stay writable
// and are copied back every time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ranges.hpp"

namespace lwc::rollback {

struct State;
struct Region;

enum class Mechanism : std::uint8_t { None, WpAsync, SoftDirty };

/// What this machine offers. Tries it out on pages of its own.
bool mechanism_works(Mechanism mechanism);
/// Why it does not work here, in an administrator's words; empty: it does.
std::string why_not(Mechanism mechanism);
const char* describe(Mechanism mechanism);
/// What the machine's best mechanism is, and, where that is not WpAsync, why not
/// (why_not(WpAsync)).
std::string describe_best(Mechanism best, const std::string& why_not_wp_async);

class Tracker {
 public:
  /// Begins tracking: no page of the image counts as written. 0 or -errno.
  long arm(State& state, Mechanism mechanism);

  /// Puts back every page written since the last time. `everything`: do not trust the count of
  /// faults. False: the kernel refused, and the memory cannot be trusted.
  bool restore_written(State& state, bool everything);

  /// `range` of the image was mapped anew, or lost its contents: makes it what it was.
  bool restore_lost(State& state, const Region& region, Range range);

  /// Nothing that was written so far needs undoing.
  void settle();
  /// Reads the count of faults: for faulted() and restore_written().
  void look() { seen_ = faults(); }
  /// Had a page outside the working set been written (or anything else faulted) since settle() when
  /// look() was called?
  bool faulted() const { return seen_ != faults_; }

  std::uint32_t working_set() const { return working_count_; }
  Mechanism mechanism() const { return mechanism_; }
  int first_fd() const { return fds_[0]; }
  int second_fd() const { return fds_[1]; }

  /// Tests only: the contents of this range are not restored.
  void set_blind_spot(Range range) { blind_spot_ = range; }
  /// Tests only: pages never join the working set.
  void set_learning(bool on) { learning_ = on; }

 private:
  struct Worked {
    std::uint32_t page;
    std::uint32_t idle;  // audits in a row that found it unchanged
    std::uintptr_t address;
    const void* source;
  };

  long arm_wp_async(State& state);
  long protect(Range range);
  long register_range(Range range);
  void restore_working_set(State& state);
  std::uint32_t run_length(std::uint32_t i) const;
  void sort_working_set();
  void audit_working_set(State& state);
  bool scan(State& state);
  bool scan_wp_async(State& state);
  bool scan_soft_dirty(State& state);
  void found(State& state, const Region& region, std::uintptr_t address);
  void found_soft_dirty(State& state, const Region& region, std::uintptr_t address);
  bool same_as_source(std::uintptr_t address, const void* source) const;
  void learn(std::uint32_t page, std::uintptr_t address, const void* source);
  bool clear_soft_dirty();
  std::uint64_t faults() const;

  Mechanism mechanism_ = Mechanism::None;
  int fds_[2] = {-1, -1};         // userfaultfd and pagemap, or clear_refs and pagemap
  std::uint8_t* hits_ = nullptr;  // per page: strays so far, or kLearned
  Worked* working_ = nullptr;
  std::uint32_t working_count_ = 0;
  std::uint32_t working_capacity_ = 0;
  std::uint32_t undos_ = 0;
  std::uint64_t faults_ = 0;  // at the last settle()
  std::uint64_t seen_ = 0;    // at the last look()
  Range blind_spot_;
  bool learning_ = true;
  bool clear_due_ = false;  // soft-dirty: pages were restored that still count as written
  char* buffer_ = nullptr;
};

}  // namespace lwc::rollback
