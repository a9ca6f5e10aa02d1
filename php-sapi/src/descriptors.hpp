// SPDX-License-Identifier: Apache-2.0
// What a process has open, in words: a snapshot must not share it between its children.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lwc::php {

/// One open descriptor.
struct Descriptor {
  int fd = -1;
  /// What it is, as an allow-list names it: "/path", "tcp:127.0.0.1:3306", "udp:...",
  /// "unix:/run/x.sock", "pipe", "anon:eventfd".
  std::string name;
  /// The same for a person: "TCP connection to 127.0.0.1:3306 (mysql)".
  std::string description;
  bool read_only_file = false;  ///< a regular file that is only read
};

/// Which descriptors are open, and of what: (device, inode) by number.
using OpenSet = std::map<int, std::pair<dev_t, ino_t>>;
OpenSet open_descriptors();

Descriptor describe(int fd);

/// Whether one of the patterns (shell wildcards) matches the descriptor's name.
bool is_allowed(const Descriptor& descriptor, const std::vector<std::string>& patterns);

/// Descriptors open now that were not in `before`, without those that cannot carry state from one
/// child to the next (/dev/null, /dev/urandom).
std::vector<Descriptor> opened_since(const OpenSet& before);

/// Threads of this process.
int thread_count();

/// Child processes of this process, as "pid (name)".
std::vector<std::string> child_processes();

/// Locks on files that this process holds, as "flock on /path", without those on files in `before`.
std::vector<std::string> held_locks(const OpenSet& before);

}  // namespace lwc::php
