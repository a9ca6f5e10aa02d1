// SPDX-License-Identifier: Apache-2.0
// Directories of /proc whose entries are numbers: descriptors, threads.
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdint>

#include "gate.hpp"

namespace lwc::rollback {

struct DirectoryEntry {  // linux_dirent64
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};

inline int parse_number(const char* text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; ++text) {
    value = value * 10 + (*text - '0');
  }
  return value;
}

/// Calls visit(number) until one is negative, which is then the result. `directory` is what
/// opening it gave, and is closed.
template <typename Visit>
long for_each_number(long directory, char* buffer, std::size_t size, Visit visit) {
  if (directory < 0) {
    return directory;
  }
  long got = 0;
  long result = 0;
  while (result >= 0 && (got = gate(SYS_getdents64, directory, buffer, size)) > 0) {
    for (long at = 0; at < got && result >= 0;) {
      auto* entry = reinterpret_cast<DirectoryEntry*>(buffer + at);
      at += entry->length;
      if (entry->name[0] != '.') {
        result = visit(parse_number(entry->name));
      }
    }
  }
  gate(SYS_close, directory);
  return got < 0 ? got : result;
}

/// Writes `number` and then `rest` to `to`.
inline void put_number(char* to, int number, const char* rest) {
  char digits[12];
  int length = 0;
  do {
    digits[length++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (length > 0) {
    *to++ = digits[--length];
  }
  while ((*to++ = *rest++) != '\0') {
  }
}

}  // namespace lwc::rollback
