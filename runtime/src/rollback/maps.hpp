// SPDX-License-Identifier: Apache-2.0
// The calling process's mappings, read without allocating.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ranges.hpp"

namespace lwc::rollback {

struct Mapping {
  enum class Kind : std::uint8_t {
    Anonymous,
    File,
    Heap,   // the program break's
    Stack,  // the main thread's, grows by itself
    Copy,   // memory that is mapped privately from the snapshot's copy of it
    Kernel  // [vdso], [vvar], [vsyscall]
  };
  Range range;
  std::uint8_t protection = 0;  // PROT_*
  bool shared = false;
  Kind kind = Kind::Anonymous;
};

/// Whether a page that nobody has touched yet has the contents of a file, and not zeros.
inline constexpr bool has_contents_of_a_file(Mapping::Kind kind) {
  return kind == Mapping::Kind::File || kind == Mapping::Kind::Copy;
}

/// How mappings of kind Copy are listed, and what their file is called in memfd_create().
inline constexpr char kCopyMapping[] = "/memfd:lwc-snapshot";
inline constexpr const char* kCopyName = kCopyMapping + sizeof("/memfd:") - 1;

/// Fills `mappings` from /proc/self/maps, in order of address. Returns how many there are, or
/// -errno (-E2BIG: more than `capacity`). `buffer` is scratch space.
long read_mappings(Mapping* mappings, std::size_t capacity, char* buffer, std::size_t buffer_size);

/// Opens a file under /proc/self that only a dumpable process may open (one that has changed its
/// user is not): the process is dumpable for that moment. The descriptor is close-on-exec; -errno.
long open_own(const char* path, int flags);

}  // namespace lwc::rollback
