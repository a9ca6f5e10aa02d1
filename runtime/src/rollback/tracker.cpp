// SPDX-License-Identifier: Apache-2.0
#include "tracker.hpp"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>

#include "copy.hpp"
#include "gate.hpp"
#include "pagemap_scan.hpp"
#include "state.hpp"

namespace lwc::rollback {
namespace {

constexpr std::uint8_t kLearned = 255;
constexpr std::uint8_t kHitsToLearn = 2;
constexpr std::uint32_t kUndosPerAudit = 64;
// A page that is written now and then costs a search each time it has been forgotten, as much as
// putting it back some hundred times.
constexpr std::uint32_t kIdleAuditsToForget = 32;
constexpr std::uint32_t kForgetAtOnce = 32;  // soft-dirty: below that, forgetting costs more
constexpr std::size_t kScanBuffer = 512 * sizeof(PageRegion);

}  // namespace

long Tracker::arm(State& state, Mechanism mechanism) {
  mechanism_ = mechanism;
  const Image& image = state.image;
  working_capacity_ = image.page_count();
  hits_ = static_cast<std::uint8_t*>(state.allocate(image.page_count()));
  working_ = static_cast<Worked*>(state.allocate(working_capacity_ * sizeof(Worked)));
  buffer_ = static_cast<char*>(state.allocate(kScanBuffer));
  if (hits_ == nullptr || working_ == nullptr || buffer_ == nullptr) {
    return -ENOMEM;
  }
  fds_[1] = static_cast<int>(open_own("/proc/self/pagemap", O_RDONLY));
  if (fds_[1] < 0) {
    return fds_[1];
  }
  long error = 0;
  if (mechanism == Mechanism::WpAsync) {
    error = arm_wp_async(state);
  } else {
    fds_[0] = static_cast<int>(open_own("/proc/self/clear_refs", O_WRONLY));
    error = fds_[0] < 0 ? fds_[0] : (clear_soft_dirty() ? 0 : -EIO);
  }
  settle();
  return error;
}

long Tracker::arm_wp_async(State& state) {
  fds_[0] = open_wp_async();
  if (fds_[0] < 0) {
    return fds_[0];
  }
  const Image& image = state.image;
  for (std::size_t i = 0; i < image.region_count(); ++i) {
    const Region& region = image.regions()[i];
    if (!region.tracked) {
      continue;
    }
    // A huge page would be restored as a whole and split at the first write.
    gate(SYS_madvise, region.range.begin, region.range.size(), MADV_NOHUGEPAGE);
    if (long error = register_range(region.range); error < 0) {
      return error;
    }
    if (long error = protect(region.range); error < 0) {
      return error;
    }
  }
  return 0;
}

long Tracker::register_range(Range range) {
  uffdio_register request{};
  request.range.start = range.begin;
  request.range.len = range.size();
  request.mode = UFFDIO_REGISTER_MODE_WP;
  return gate(SYS_ioctl, fds_[0], UFFDIO_REGISTER, &request);
}

long Tracker::protect(Range range) {
  uffdio_writeprotect request{};
  request.range.start = range.begin;
  request.range.len = range.size();
  request.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  long error = 0;
  do {
    error = gate(SYS_ioctl, fds_[0], UFFDIO_WRITEPROTECT, &request);
  } while (error == -EAGAIN || error == -EINTR);
  return error;
}

std::uint64_t Tracker::faults() const {
  rusage usage{};
  gate(SYS_getrusage, RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_minflt) + static_cast<std::uint64_t>(usage.ru_majflt);
}

void Tracker::settle() {
  faults_ = faults();
}

bool Tracker::restore_written(State& state, bool everything) {
  UndoReport& report = state.report;
  report.pages_written = 0;
  report.pages_restored = 0;
  report.events = seen_ - faults_;
  bool ok = true;
  // Before the working set is put back: that may fault, too, and clears nothing that is looked for.
  if (everything || faulted()) {
    ++report.scans;
    ok = scan(state);
  }
  if (clear_due_) {
    // The marks of a search that was left out must not be lost.
    ok = ok && (everything || faulted() || scan(state)) && clear_soft_dirty();
    clear_due_ = false;
  }
  if (++undos_ % kUndosPerAudit == 0) {
    audit_working_set(state);
    sort_working_set();
  }
  restore_working_set(state);
  return ok;
}

void Tracker::restore_working_set(State& state) {
  const Image& image = state.image;
  for (std::uint32_t i = 0; i < working_count_;) {
    const Worked& first = working_[i];
    const std::uint32_t count = run_length(i);
    i += count;
    if (!blind_spot_.contains(first.address)) {
      image.restore(first.address, first.source, count * kPageSize);
    }
  }
  state.report.pages_restored += working_count_;
  state.report.pages_written += working_count_;
}

// How many pages from the i-th on can be put back with one copy: that is quicker than page by page.
std::uint32_t Tracker::run_length(std::uint32_t i) const {
  std::uint32_t count = 1;
  for (; !blind_spot_.contains(working_[i].address) && i + count < working_count_; ++count) {
    const Worked& last = working_[i + count - 1];
    const Worked& next = working_[i + count];
    const void* wanted =
        last.source == nullptr ? nullptr : static_cast<const char*>(last.source) + kPageSize;
    if (next.address != last.address + kPageSize || next.source != wanted ||
        blind_spot_.contains(next.address)) {
      break;
    }
  }
  return count;
}

// Nearly sorted most of the time: a few pages have been added or taken out.
void Tracker::sort_working_set() {
  for (std::uint32_t gap = working_count_ / 2; gap > 0; gap /= 2) {
    for (std::uint32_t i = gap; i < working_count_; ++i) {
      const Worked page = working_[i];
      std::uint32_t at = i;
      for (; at >= gap && working_[at - gap].address > page.address; at -= gap) {
        working_[at] = working_[at - gap];
      }
      working_[at] = page;
    }
  }
}

// Pages that requests have stopped writing are tracked again.
void Tracker::audit_working_set(State& state) {
  std::uint32_t idle = 0;
  for (std::uint32_t i = 0; i < working_count_; ++i) {
    Worked& page = working_[i];
    bool same = same_as_source(page.address, page.source);
    page.idle = same ? page.idle + 1 : 0;
    idle += page.idle >= kIdleAuditsToForget ? 1 : 0;
  }
  bool soft_dirty = mechanism_ == Mechanism::SoftDirty;
  if (idle == 0 || (soft_dirty && (idle < kForgetAtOnce || !clear_soft_dirty()))) {
    return;
  }
  for (std::uint32_t i = 0; i < working_count_;) {
    Worked page = working_[i];
    if (page.idle < kIdleAuditsToForget ||
        (!soft_dirty && protect({page.address, page.address + kPageSize}) < 0)) {
      ++i;
      continue;
    }
    // Written between the comparison and the protection? This code is all that runs.
    hits_[page.page] = 0;
    working_[i] = working_[--working_count_];
  }
  (void)state;
}

bool Tracker::scan(State& state) {
  return mechanism_ == Mechanism::WpAsync ? scan_wp_async(state) : scan_soft_dirty(state);
}

bool Tracker::scan_wp_async(State& state) {
  auto* found_pages = reinterpret_cast<PageRegion*>(buffer_);
  ScanArgument scan{};
  scan.size = sizeof scan;
  scan.end = kUserEnd;
  scan.vec = reinterpret_cast<std::uint64_t>(found_pages);
  scan.vec_len = kScanBuffer / sizeof(PageRegion);
  // Asking for one more category than WRITTEN avoids the kernel's short cut, which reads
  // swapped-out entries wrongly before 6.12, and skips what is not registered.
  scan.category_mask = kPageIsWpAllowed | kPageIsWritten;
  scan.return_mask = kPageIsWritten;
  const Region* region = nullptr;
  while (scan.start < scan.end) {
    long count = gate(SYS_ioctl, fds_[1], kPagemapScan, &scan);
    if (count < 0) {
      return false;
    }
    for (long i = 0; i < count; ++i) {
      for (std::uintptr_t at = found_pages[i].start; at < found_pages[i].end; at += kPageSize) {
        if (region == nullptr || !region->range.contains(at)) {
          region = state.image.find(at);
        }
        if (region != nullptr && region->tracked) {
          found(state, *region, at);
        }
      }
    }
    if (scan.walk_end <= scan.start) {
      return false;
    }
    scan.start = scan.walk_end;
  }
  return true;
}

bool Tracker::scan_soft_dirty(State& state) {
  constexpr std::uint64_t kSoftDirty = std::uint64_t{1} << 55;
  constexpr std::size_t kBatch = kScanBuffer / sizeof(std::uint64_t);
  const auto* entries = reinterpret_cast<const std::uint64_t*>(buffer_);
  const Image& image = state.image;
  for (std::size_t r = 0; r < image.region_count(); ++r) {
    const Region& region = image.regions()[r];
    if (!region.tracked) {
      continue;
    }
    for (std::uintptr_t at = region.range.begin; at < region.range.end;) {
      std::size_t pages = (region.range.end - at) / kPageSize;
      pages = pages < kBatch ? pages : kBatch;
      std::size_t bytes = pages * sizeof(std::uint64_t);
      long got = gate(SYS_pread64, fds_[1], buffer_, bytes, at / kPageSize * sizeof(std::uint64_t));
      if (got != static_cast<long>(bytes)) {
        return false;
      }
      for (std::size_t i = 0; i < pages; ++i, at += kPageSize) {
        if ((entries[i] & kSoftDirty) != 0) {
          found_soft_dirty(state, region, at);
        }
      }
    }
  }
  return true;
}

void Tracker::found(State& state, const Region& region, std::uintptr_t address) {
  std::uint32_t page =
      region.first_page + static_cast<std::uint32_t>((address - region.range.begin) / kPageSize);
  if (hits_[page] == kLearned) {
    return;
  }
  const void* source = state.image.source(page);
  ++state.report.pages_written;
  if (learning_ && ++hits_[page] >= kHitsToLearn) {
    --state.report.pages_written;  // counted with the working set
    learn(page, address, source);
    return;
  }
  if (!blind_spot_.contains(address)) {
    state.image.restore(address, source);
  }
  ++state.report.pages_restored;
  if (protect({address, address + kPageSize}) < 0) {
    learn(page, address, source);
  }
}

// One page cannot be protected again, only all of them together. So a page joins the working set at
// once, unless that has to be done anyway.
void Tracker::found_soft_dirty(State& state, const Region& region, std::uintptr_t address) {
  std::uint32_t page =
      region.first_page + static_cast<std::uint32_t>((address - region.range.begin) / kPageSize);
  if (hits_[page] == kLearned) {
    return;
  }
  const void* source = state.image.source(page);
  // All pages of a mapping that is new, or was merged with a new one, count as written.
  if (same_as_source(address, source)) {
    clear_due_ = true;
    return;
  }
  if (learning_ && (!clear_due_ || ++hits_[page] >= kHitsToLearn)) {
    learn(page, address, source);
    return;
  }
  ++state.report.pages_written;
  ++state.report.pages_restored;
  if (!blind_spot_.contains(address)) {
    state.image.restore(address, source);
  }
  clear_due_ = true;
}

bool Tracker::same_as_source(std::uintptr_t address, const void* source) const {
  const void* now = reinterpret_cast<const void*>(address);
  return source == nullptr ? all_zero(now, kPageSize) : same_bytes(now, source, kPageSize);
}

void Tracker::learn(std::uint32_t page, std::uintptr_t address, const void* source) {
  hits_[page] = kLearned;
  working_[working_count_++] = Worked{page, 0, address, source};
}

bool Tracker::restore_lost(State& state, const Region& region, Range range) {
  bool file = region.kind == Mapping::Kind::File;
  if (!file) {
    gate(SYS_madvise, range.begin, range.size(), MADV_DONTNEED);
    gate(SYS_madvise, range.begin, range.size(), MADV_NOHUGEPAGE);
  }
  const Image& image = state.image;
  for (std::uintptr_t at = range.begin; at < range.end; at += kPageSize) {
    std::uint32_t page =
        region.first_page + static_cast<std::uint32_t>((at - region.range.begin) / kPageSize);
    const void* source = image.source(page);
    if (source != nullptr || file) {
      image.restore(at, source);
      ++state.report.pages_restored;
    }
  }
  if (mechanism_ == Mechanism::SoftDirty) {
    // Only after the search for what else was written: this takes back all marks.
    clear_due_ = true;
    return true;
  }
  return register_range(range) >= 0 && protect(range) >= 0;
}

bool Tracker::clear_soft_dirty() {
  return gate(SYS_pwrite64, fds_[0], "4", 1, 0) == 1;
}

}  // namespace lwc::rollback
