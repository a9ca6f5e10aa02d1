// SPDX-License-Identifier: Apache-2.0
#include "pristine_store.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "copy.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc::rollback {
namespace {

constexpr std::uint64_t kPopulated = std::uint64_t{3} << 62;  // present or swapped

}  // namespace

// A page of zeros needs no copy to be made again.
bool PristineStore::is_needed(std::uintptr_t address) const {
  const void* page = reinterpret_cast<const void*>(address);
  const void* copy = find(address);
  return copy != nullptr ? !same_bytes(copy, page, kPageSize) : !all_zero(page, kPageSize);
}

Status PristineStore::find_runs(const std::vector<Mapping>& mappings,
                                std::vector<Range>& runs) const {
  UniqueFd pagemap(static_cast<int>(open_own("/proc/self/pagemap", O_RDONLY)));
  if (!pagemap) {
    return errno_error("cannot open /proc/self/pagemap");
  }
  for (const Mapping& mapping : mappings) {
    if (mapping.shared || (mapping.protection & PROT_WRITE) == 0 ||
        mapping.kind == Mapping::Kind::Kernel) {
      continue;
    }
    std::vector<std::uint64_t> entries(mapping.range.size() / kPageSize);
    std::size_t bytes = entries.size() * sizeof(std::uint64_t);
    if (::pread(pagemap.get(), entries.data(), bytes,
                static_cast<off_t>(mapping.range.begin / kPageSize * sizeof(std::uint64_t))) !=
        static_cast<ssize_t>(bytes)) {
      return errno_error("cannot read /proc/self/pagemap");
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if ((entries[i] & kPopulated) == 0 && mapping.kind != Mapping::Kind::File) {
        continue;
      }
      std::uintptr_t at = mapping.range.begin + i * kPageSize;
      if (!is_needed(at)) {
        continue;
      }
      if (!runs.empty() && runs.back().end == at) {
        runs.back().end += kPageSize;
      } else {
        runs.push_back({at, at + kPageSize});
      }
    }
  }
  return ok();
}

Status PristineStore::build() {
  std::vector<Mapping> mappings(4096);
  std::vector<char> buffer(std::size_t{64} * 1024);
  long mapped = read_mappings(mappings.data(), mappings.size(), buffer.data(), buffer.size());
  if (mapped < 0) {
    return errno_error("cannot read /proc/self/maps", static_cast<int>(-mapped));
  }
  mappings.resize(static_cast<std::size_t>(mapped));
  std::vector<Range> ranges;
  if (Status found = find_runs(mappings, ranges); !found) {
    return found;
  }
  std::size_t table = page_up(ranges.size() * sizeof(Run));
  std::size_t total = table;
  for (Range range : ranges) {
    total += range.size();
  }
  void* memory = ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return errno_error("cannot map memory for the snapshot's copy");
  }
  Run* runs = static_cast<Run*>(memory);
  std::size_t count = 0;
  char* at = static_cast<char*>(memory) + table;
  for (Range range : ranges) {
    runs[count++] = Run{range, at};
    std::memcpy(at, reinterpret_cast<const void*>(range.begin), range.size());
    at += range.size();
    pages_ += range.size() / kPageSize;
  }
  ::mprotect(memory, total, PROT_READ);
  copies_.push_back({runs, count});
  return ok();
}

const void* PristineStore::find(std::uintptr_t address) const {
  for (std::size_t i = copies_.size(); i-- > 0;) {
    if (const void* copy = copies_[i].find(address)) {
      return copy;
    }
  }
  return nullptr;
}

const void* PristineStore::Copies::find(std::uintptr_t address) const {
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {
    std::size_t middle = (low + high) / 2;
    if (runs[middle].range.end <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == count || !runs[low].range.contains(address)) {
    return nullptr;
  }
  return runs[low].contents + (address - runs[low].range.begin);
}

}  // namespace lwc::rollback
