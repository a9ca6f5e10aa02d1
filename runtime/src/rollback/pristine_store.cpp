// SPDX-License-Identifier: Apache-2.0
#include "pristine_store.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "copy.hpp"
#include "gate.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc::rollback {
namespace {

constexpr std::uint64_t kPopulated = std::uint64_t{3} << 62;  // present or swapped

// A mapping of the copy costs one more mapping in every holder, and its holes are filled.
constexpr std::uintptr_t kSmallestMoved = 64 * kPageSize;
constexpr std::uintptr_t kLargestHole = 8 * kPageSize;
constexpr int kSealFutureWrite = 0x10;  // F_SEAL_FUTURE_WRITE

bool may_be_moved(const Mapping& mapping) {
  return mapping.protection == (PROT_READ | PROT_WRITE) &&
         (mapping.kind == Mapping::Kind::Anonymous || mapping.kind == Mapping::Kind::Heap ||
          mapping.kind == Mapping::Kind::Copy);
}

// Copies the memory and puts its copy in its place. Nothing may write to it in between: no calls
// but these two, which write nowhere else.
bool move_to_copy(Range range, char* copy, int file, std::uintptr_t offset) {
  copy_bytes(copy, reinterpret_cast<const void*>(range.begin), range.size());
  return gate(SYS_mmap, range.begin, range.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
              file, offset) == static_cast<long>(range.begin);
}

}  // namespace

// A page of zeros needs no copy to be made again.
bool PristineStore::is_needed(std::uintptr_t address) const {
  const void* page = reinterpret_cast<const void*>(address);
  const void* copy = find(address);
  return copy != nullptr ? !same_bytes(copy, page, kPageSize) : !all_zero(page, kPageSize);
}

Status PristineStore::find_pages(const std::vector<Mapping>& mappings,
                                 std::vector<Page>& pages) const {
  UniqueFd pagemap(static_cast<int>(open_own("/proc/self/pagemap", O_RDONLY)));
  if (!pagemap) {
    return errno_error("cannot open /proc/self/pagemap");
  }
  unsigned run = 0;
  std::uintptr_t end = 0;  // of the last mapping that may be moved
  for (const Mapping& mapping : mappings) {
    if (mapping.shared || (mapping.protection & PROT_WRITE) == 0 ||
        mapping.kind == Mapping::Kind::Kernel) {
      continue;
    }
    const bool movable = may_be_moved(mapping);
    if (movable && mapping.range.begin != end) {
      ++run;
    }
    end = movable ? mapping.range.end : end;
    std::vector<std::uint64_t> entries(mapping.range.size() / kPageSize);
    std::size_t bytes = entries.size() * sizeof(std::uint64_t);
    if (::pread(pagemap.get(), entries.data(), bytes,
                static_cast<off_t>(mapping.range.begin / kPageSize * sizeof(std::uint64_t))) !=
        static_cast<ssize_t>(bytes)) {
      return errno_error("cannot read /proc/self/pagemap");
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if ((entries[i] & kPopulated) != 0 || has_contents_of_a_file(mapping.kind)) {
        std::uintptr_t at = mapping.range.begin + i * kPageSize;
        pages.push_back({at, is_needed(at), movable ? run : 0});
      }
    }
  }
  return ok();
}

// Pages that may be moved and lie close together, from the first-th on.
PristineStore::Group PristineStore::group_at(const std::vector<Page>& pages, std::size_t first) {
  Group group{first + 1, pages[first].needed ? std::size_t{1} : 0};
  while (pages[first].run != 0 && group.end < pages.size() &&
         pages[group.end].run == pages[first].run &&
         pages[group.end].address - pages[group.end - 1].address <= kLargestHole) {
    group.needed += pages[group.end++].needed ? 1 : 0;
  }
  return group;
}

// A group is moved from the first page on from which most of it needs a copy.
std::vector<PristineStore::Piece> PristineStore::pieces_of(const std::vector<Page>& pages) {
  std::vector<Piece> pieces;
  Group group{0, 0};
  for (std::size_t i = 0; i < pages.size();) {
    if (i == group.end) {
      group = group_at(pages, i);
    }
    const std::uintptr_t at = pages[i].address;
    const Range rest{at, pages[group.end - 1].address + kPageSize};
    if (pages[i].run != 0 && rest.size() >= kSmallestMoved &&
        group.needed * kPageSize * 2 >= rest.size()) {
      pieces.push_back({rest, true});
      i = group.end;
      continue;
    }
    if (pages[i].needed && !pieces.empty() && !pieces.back().moved &&
        pieces.back().range.end == at) {
      pieces.back().range.end += kPageSize;
    } else if (pages[i].needed) {
      pieces.push_back({{at, at + kPageSize}, false});
    }
    group.needed -= pages[i].needed ? 1 : 0;
    ++i;
  }
  return pieces;
}

Status PristineStore::build(Which which) {
  std::vector<Mapping> mappings(4096);
  std::vector<char> buffer(std::size_t{64} * 1024);
  long mapped = read_mappings(mappings.data(), mappings.size(), buffer.data(), buffer.size());
  if (mapped < 0) {
    return errno_error("cannot read /proc/self/maps", static_cast<int>(-mapped));
  }
  mappings.resize(static_cast<std::size_t>(mapped));
  std::vector<Page> pages;
  if (Status found = find_pages(mappings, pages); !found) {
    return found;
  }
  std::vector<Piece> pieces = pieces_of(pages);
  if (which == Which::Moved) {
    std::erase_if(pieces, [](const Piece& piece) { return !piece.moved; });
  }
  return copy(pieces);
}

Status PristineStore::copy(const std::vector<Piece>& pieces) {
  const std::size_t table = page_up(pieces.size() * sizeof(Run));
  std::size_t total = table;
  for (const Piece& piece : pieces) {
    total += piece.range.size();
  }
  UniqueFd file(::memfd_create(kCopyName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(total)) != 0) {
    return errno_error("cannot make a file in memory for the snapshot's copy");
  }
  void* memory = ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) {
    return errno_error("cannot map memory for the snapshot's copy");
  }
  Run* runs = static_cast<Run*>(memory);
  std::size_t count = 0;
  std::uintptr_t offset = table;
  for (const Piece& piece : pieces) {
    char* copy = static_cast<char*>(memory) + offset;
    runs[count++] = Run{piece.range, copy};
    if (!piece.moved) {
      std::memcpy(copy, reinterpret_cast<const void*>(piece.range.begin), piece.range.size());
    } else if (!move_to_copy(piece.range, copy, file.get(), offset)) {
      return Error{"cannot map a part of the snapshot from its copy"};
    }
    offset += piece.range.size();
  }
  pages_ += (total - table) / kPageSize;
  // Sealed and mapped anew, it cannot be made writable by anybody.
  ::munmap(memory, total);
  if (::fcntl(file.get(), F_ADD_SEALS, kSealFutureWrite | F_SEAL_GROW | F_SEAL_SHRINK) != 0 ||
      ::mmap(memory, total, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, file.get(), 0) != memory) {
    return errno_error("cannot seal the snapshot's copy");
  }
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
