// SPDX-License-Identifier: Apache-2.0
// The files that a snapshot was made of, and whether they are still what they were.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace lwc::php {

class FileSet {
 public:
  /// `started`: when the first file was read, by the clock that stamps files.
  explicit FileSet(timespec started);

  /// Notes the file as it is now. A path that does not exist is noted as such. The path is resolved
  /// anew at every check, so that a symbolic link in it that is changed is noticed.
  void add(std::string_view path);

  /// Notes that the file was written by who makes the snapshot: that it is newer than the start
  /// does not make it stale.
  void add_written(std::string_view path);

  /// Call when no more files are read. True if none was changed since the start.
  bool seal();

  /// Whether all files are what they were. After a change: `changed()` names the first one found.
  bool is_fresh();
  const std::string& changed() const { return changed_; }

  std::size_t size() const { return files_.size(); }

  /// Now, by the clock that stamps files.
  static timespec now();

 private:
  struct State {
    bool exists = false;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{};
    bool operator==(const State& other) const;
  };
  static State look_at(const std::string& path);

  timespec started_;
  std::unordered_map<std::string, State> files_;
  std::unordered_set<std::string> written_;
  std::string changed_;
};

}  // namespace lwc::php
