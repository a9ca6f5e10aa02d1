// SPDX-License-Identifier: Apache-2.0
// Looks at another process from outside and says what is different from before. Shares no code with
// the engine that it checks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lwc::test {

/// What is known to change by itself, or belongs to the engine.
struct Exempt {
  std::uint64_t arena_begin = 0, arena_end = 0;  // the engine's own memory
  std::uint64_t rseq_begin = 0, rseq_end = 0;    // written by the kernel at any time
};

/// Everything that /proc tells about a process, while it does not run.
class ProcessPicture {
 public:
  static ProcessPicture take(pid_t pid, const Exempt& exempt);

  /// One line per difference; empty: the same.
  std::vector<std::string> differences_from(const ProcessPicture& before) const;

 private:
  struct Mapping {
    std::uint64_t begin = 0, end = 0;
    std::string attributes;  // permissions, offset, device, inode, path
    std::string flags;       // protection key and VmFlags
    bool operator==(const Mapping&) const = default;
  };
  void read_maps(pid_t pid, const Exempt& exempt);
  void add_mapping(Mapping mapping, const Exempt& exempt);
  void read_memory(pid_t pid, const Exempt& exempt);
  void read_fds(pid_t pid);
  void read_facts(pid_t pid);

  std::vector<Mapping> maps_;
  std::map<std::uint64_t, std::string> memory_;  // begin of a private mapping
  std::map<std::string, std::string> facts_;     // name of a /proc line, its text
};

}  // namespace lwc::test
