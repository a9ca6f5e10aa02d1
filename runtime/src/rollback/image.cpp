// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>

#include "copy.hpp"
#include "gate.hpp"
#include "pristine_store.hpp"
#include "state.hpp"

namespace lwc::rollback {
namespace {

constexpr std::uint64_t kPagePresent = std::uint64_t{1} << 63;
constexpr std::uint64_t kPageSwapped = std::uint64_t{1} << 62;

}  // namespace

bool map_fresh(const Region& region, Range part) {
  return gate(SYS_mmap, part.begin, part.size(), region.protection,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == static_cast<long>(part.begin);
}

long Image::capture(State& state, const PristineStore* store) {
  regions_ = static_cast<Region*>(state.allocate(kMaxRegions * sizeof(Region)));
  mappings_ = static_cast<Mapping*>(state.allocate(kMaxRegions * sizeof(Mapping)));
  buffer_ = static_cast<char*>(state.allocate(kMapsBuffer));
  if (regions_ == nullptr || mappings_ == nullptr || buffer_ == nullptr) {
    return -ENOMEM;
  }
  if (long error = read_regions(state); error < 0) {
    return error;
  }
  sources_ = static_cast<const void**>(state.allocate(page_count_ * sizeof(void*)));
  if (sources_ == nullptr) {
    return -ENOMEM;
  }
  pagemap_ = static_cast<int>(open_own("/proc/self/pagemap", O_RDONLY));
  if (pagemap_ < 0) {
    return pagemap_;
  }
  long error = 0;
  for (std::size_t i = 0; i < region_count_ && error == 0; ++i) {
    if (regions_[i].tracked) {
      error = copy_region(state, store, regions_[i]);
    }
  }
  gate(SYS_close, pagemap_);
  return error;
}

long Image::read_regions(State& state) {
  long count = read_mappings(mappings_, kMaxRegions, buffer_, kMapsBuffer);
  if (count < 0) {
    return count;
  }
  break_ = {static_cast<std::uintptr_t>(gate(SYS_brk, nullptr)), 0};
  break_.end = page_up(break_.begin);
  page_count_ = 0;
  region_count_ = 0;
  for (long i = 0; i < count; ++i) {
    const Mapping& mapping = mappings_[i];
    Region region;
    region.range = mapping.range;
    region.protection = mapping.protection;
    region.shared = mapping.shared;
    region.kind = mapping.kind;
    region.tracked = !mapping.shared && (mapping.protection & PROT_WRITE) != 0 &&
                     mapping.kind != Mapping::Kind::Kernel &&
                     mapping.range.intersect(state.arena).empty();
    if (region.tracked) {
      region.first_page = page_count_;
      page_count_ += region.pages();
    }
    regions_[region_count_] = region;
    if (region.kind == Mapping::Kind::Stack) {
      stack_ = &regions_[region_count_];
    }
    ++region_count_;
  }
  return 0;
}

long Image::copy_region(State& state, const PristineStore* store, const Region& region) {
  constexpr std::uint32_t kBatch = kMapsBuffer / sizeof(std::uint64_t);
  const auto* entries = reinterpret_cast<const std::uint64_t*>(buffer_);
  for (std::uint32_t done = 0; done < region.pages();) {
    std::uint32_t batch = region.pages() - done < kBatch ? region.pages() - done : kBatch;
    std::uintptr_t at = region.range.begin + done * kPageSize;
    long got = gate(SYS_pread64, pagemap_, buffer_, batch * sizeof(std::uint64_t),
                    at / kPageSize * sizeof(std::uint64_t));
    if (got != static_cast<long>(batch * sizeof(std::uint64_t))) {
      return got < 0 ? got : -EIO;
    }
    for (std::uint32_t i = 0; i < batch; ++i) {
      bool populated = (entries[i] & (kPagePresent | kPageSwapped)) != 0;
      const void* source = nullptr;
      if (populated || has_contents_of_a_file(region.kind)) {
        source = copy_of(state, store, at + i * kPageSize);
        if (source == MAP_FAILED) {
          return -ENOMEM;
        }
      }
      sources_[region.first_page + done + i] = source;
    }
    done += batch;
  }
  return 0;
}

const void* Image::copy_of(State& state, const PristineStore* store, std::uintptr_t address) {
  const void* page = reinterpret_cast<const void*>(address);
  if (store != nullptr) {
    const void* shared = store->find(address);
    if (shared != nullptr && same_bytes(shared, page, kPageSize)) {
      return shared;
    }
  }
  if (all_zero(page, kPageSize)) {
    return nullptr;
  }
  void* copy = state.allocate(kPageSize);
  if (copy == nullptr) {
    return MAP_FAILED;
  }
  copy_bytes(copy, page, kPageSize);
  ++private_copies_;
  return copy;
}

std::size_t Image::first_not_below(std::uintptr_t address) const {
  std::size_t low = 0;
  std::size_t high = region_count_;
  while (low < high) {
    std::size_t middle = (low + high) / 2;
    if (regions_[middle].range.end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const Region* Image::find(std::uintptr_t address) const {
  std::size_t i = first_not_below(address);
  return i < region_count_ && regions_[i].range.contains(address) ? &regions_[i] : nullptr;
}

std::uintptr_t Image::end_below(std::uintptr_t address) const {
  std::size_t i = first_not_below(address);
  return i == 0 ? 0 : regions_[i - 1].range.end;
}

void Image::restore(std::uintptr_t address, const void* source, std::size_t size) const {
  Range pages{address, address + size};
  if (rseq_.begin >= pages.end || rseq_.end <= pages.begin) {
    void* to = reinterpret_cast<void*>(address);
    if (source == nullptr) {
      clear_bytes(to, size);
    } else {
      copy_bytes(to, source, size);
    }
    return;
  }
  Range hole = pages.intersect(rseq_);
  auto put = [&](Range part) {
    void* to = reinterpret_cast<void*>(part.begin);
    if (source == nullptr) {
      clear_bytes(to, part.size());
    } else {
      copy_bytes(to, static_cast<const char*>(source) + (part.begin - address), part.size());
    }
  };
  put({pages.begin, hole.begin});
  put({hole.end, pages.end});
}

bool Image::unmap_what_is_new() const {
  long count = read_mappings(mappings_, kMaxRegions, buffer_, kMapsBuffer);
  if (count < 0) {
    return false;
  }
  bool same = true;
  std::size_t next = 0;  // first region that does not end before `at`
  for (long i = 0; i < count; ++i) {
    const Mapping& mapping = mappings_[i];
    for (std::uintptr_t at = mapping.range.begin; at < mapping.range.end;) {
      while (next < region_count_ && regions_[next].range.end <= at) {
        ++next;
      }
      Range rest{at, mapping.range.end};
      bool inside = next < region_count_ && regions_[next].range.contains(at);
      if (inside) {
        rest = rest.intersect(regions_[next].range);
        same = same && regions_[next].protection == mapping.protection &&
               regions_[next].shared == mapping.shared;
      } else {
        if (next < region_count_ && regions_[next].range.begin < rest.end) {
          rest.end = regions_[next].range.begin;
        }
        // What grew onto the stack or the heap is dealt with by their own rules.
        if (mapping.kind != Mapping::Kind::Heap && mapping.kind != Mapping::Kind::Stack) {
          gate(SYS_munmap, rest.begin, rest.size());
        }
      }
      at = rest.end;
    }
  }
  // Anything of the image that is not there any more?
  std::size_t seen = 0;
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < region_count_; ++i) {
    wanted += regions_[i].range.size();
  }
  for (long i = 0; i < count; ++i) {
    for_each_in(mappings_[i].range, [&](const Region&, Range part) { seen += part.size(); });
  }
  return same && seen == wanted;
}

void Image::find_changes(Journal& journal) const {
  const long count = read_mappings(mappings_, kMaxRegions, buffer_, kMapsBuffer);
  long next = 0;  // first mapping that does not end before `at`
  for (std::size_t i = 0; i < region_count_; ++i) {
    const Region& region = regions_[i];
    for (std::uintptr_t at = region.range.begin; at < region.range.end;) {
      while (next < count && mappings_[next].range.end <= at) {
        ++next;
      }
      Range part{at, region.range.end};
      const bool there = next < count && mappings_[next].range.contains(at);
      if (there) {
        part = part.intersect(mappings_[next].range);
        if (mappings_[next].protection != region.protection) {
          journal.reprotected.add(part);
        }
      } else {
        if (next < count && mappings_[next].range.begin < part.end) {
          part.end = mappings_[next].range.begin;
        }
        if (region.tracked) {
          journal.lost.add(part);
        }
      }
      at = part.end;
    }
  }
}

}  // namespace lwc::rollback
