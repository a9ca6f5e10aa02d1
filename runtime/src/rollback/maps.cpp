// SPDX-License-Identifier: Apache-2.0
#include "maps.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "gate.hpp"

namespace lwc::rollback {
namespace {

bool starts_with(const char* text, const char* end, const char* prefix) {
  for (; *prefix != '\0'; ++prefix, ++text) {
    if (text == end || *text != *prefix) {
      return false;
    }
  }
  return true;
}

std::uintptr_t parse_hex(const char*& at, const char* end) {
  std::uintptr_t value = 0;
  for (; at != end; ++at) {
    if (*at >= '0' && *at <= '9') {
      value = value * 16 + static_cast<std::uintptr_t>(*at - '0');
    } else if (*at >= 'a' && *at <= 'f') {
      value = value * 16 + static_cast<std::uintptr_t>(*at - 'a' + 10);
    } else {
      break;
    }
  }
  return value;
}

const char* skip_field(const char* at, const char* end) {
  while (at != end && *at != ' ') {
    ++at;
  }
  while (at != end && *at == ' ') {
    ++at;
  }
  return at;
}

// 55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0          [heap]
Mapping parse_line(const char* at, const char* end) {
  Mapping mapping;
  mapping.range.begin = parse_hex(at, end);
  ++at;
  mapping.range.end = parse_hex(at, end);
  ++at;
  mapping.protection =
      static_cast<std::uint8_t>((at[0] == 'r' ? PROT_READ : 0) | (at[1] == 'w' ? PROT_WRITE : 0) |
                                (at[2] == 'x' ? PROT_EXEC : 0));
  mapping.shared = at[3] == 's';
  for (int field = 0; field < 4; ++field) {  // permissions, offset, device, inode
    at = skip_field(at, end);
  }
  if (at == end || starts_with(at, end, "[anon")) {
    mapping.kind = Mapping::Kind::Anonymous;
  } else if (starts_with(at, end, "[heap]")) {
    mapping.kind = Mapping::Kind::Heap;
  } else if (starts_with(at, end, "[stack]")) {
    mapping.kind = Mapping::Kind::Stack;
  } else if (starts_with(at, end, kCopyMapping)) {
    mapping.kind = Mapping::Kind::Copy;
  } else if (*at == '[') {
    mapping.kind = Mapping::Kind::Kernel;
  } else {
    mapping.kind = Mapping::Kind::File;
  }
  return mapping;
}

}  // namespace

long read_mappings(Mapping* mappings, std::size_t capacity, char* buffer, std::size_t buffer_size) {
  long fd = gate(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return fd;
  }
  std::size_t count = 0;
  std::size_t kept = 0;
  long result = 0;
  while (result == 0) {
    long got = gate(SYS_read, fd, buffer + kept, buffer_size - kept);
    if (got <= 0) {
      result = got < 0 ? got : static_cast<long>(count);
      break;
    }
    const char* line = buffer;
    const char* end = buffer + kept + got;
    for (const char* at = line; at != end; ++at) {
      if (*at != '\n') {
        continue;
      }
      if (count == capacity) {
        result = -E2BIG;
        break;
      }
      mappings[count++] = parse_line(line, at);
      line = at + 1;
    }
    kept = static_cast<std::size_t>(end - line);
    for (std::size_t i = 0; i < kept; ++i) {
      buffer[i] = line[i];
    }
  }
  gate(SYS_close, fd);
  return result;
}

long open_own(const char* path, int flags) {
  long fd = gate(SYS_open, path, flags | O_CLOEXEC);
  if (fd != -EACCES || gate(SYS_prctl, PR_GET_DUMPABLE) == 1) {
    return fd;
  }
  gate(SYS_prctl, PR_SET_DUMPABLE, 1);
  fd = gate(SYS_open, path, flags | O_CLOEXEC);
  gate(SYS_prctl, PR_SET_DUMPABLE, 0);
  return fd;
}

}  // namespace lwc::rollback
