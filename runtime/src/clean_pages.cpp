// SPDX-License-Identifier: Apache-2.0
#include "lwc/clean_pages.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include "rollback/maps.hpp"

namespace lwc {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

/// A private mapping of a file that nothing can write to as it is.
struct ReadOnlyMapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
};

/// False: the line is not the first of a mapping.
bool read_first_line(const char* line, ReadOnlyMapping& mapping) {
  ReadOnlyMapping seen;
  std::array<char, 5> access{};
  unsigned long inode = 0;
  if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*x %*s %lu", &seen.begin, &seen.end,
                  access.data(), &inode) != 4) {
    return false;
  }
  const bool wanted = inode != 0 && access[1] != 'w' && access[3] == 'p';
  mapping = wanted ? seen : ReadOnlyMapping{};
  return true;
}

/// Pages of its own, of relocated pointers for example, would be lost.
bool has_no_page_of_its_own(const char* line) {
  unsigned long kilobytes = 0;
  return std::sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1 && kilobytes == 0;
}

}  // namespace

void unmap_clean_pages() {
  const long fd = rollback::open_own("/proc/self/smaps", O_RDONLY);
  std::unique_ptr<std::FILE, CloseFile> smaps(fd < 0 ? nullptr
                                                     : ::fdopen(static_cast<int>(fd), "r"));
  if (!smaps) {
    return;
  }
  ReadOnlyMapping mapping;
  std::array<char, 8192> line{};
  while (std::fgets(line.data(), line.size(), smaps.get()) != nullptr) {
    if (!read_first_line(line.data(), mapping) && mapping.end != 0 &&
        has_no_page_of_its_own(line.data())) {
      ::madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
    }
  }
}

}  // namespace lwc
