// SPDX-License-Identifier: Apache-2.0
#include "file_set.hpp"

#include <sys/stat.h>

namespace lwc::php {

namespace {

bool before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

}  // namespace

bool FileSet::State::operator==(const State& other) const {
  return exists == other.exists && device == other.device && inode == other.inode &&
         size == other.size && !before(modified, other.modified) &&
         !before(other.modified, modified);
}

FileSet::FileSet(timespec started) : started_(started) {}

timespec FileSet::now() {
  timespec now{};
  // Files are stamped with the time of the last tick.
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return now;
}

FileSet::State FileSet::look_at(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) != 0) {
    return {};
  }
  State state;
  state.exists = true;
  state.modified = status.st_mtim;
  state.device = status.st_dev;
  state.inode = status.st_ino;
  // A directory's size and time change with every file in it.
  if (S_ISDIR(status.st_mode)) {
    state.modified = {};
  } else {
    state.size = status.st_size;
  }
  return state;
}

void FileSet::add(std::string_view path) {
  std::string key(path);
  if (!files_.contains(key)) {
    State state = look_at(key);
    files_.emplace(std::move(key), state);
  }
}

void FileSet::add_written(std::string_view path) {
  written_.emplace(path);
}

bool FileSet::seal() {
  const timespec end = now();
  for (auto& [path, state] : files_) {
    if (written_.contains(path)) {
      state = look_at(path);
      continue;
    }
    // What was read may be older than what is there now. A time to come says nothing: clocks
    // differ.
    const bool newer = !before(state.modified, started_) && !before(end, state.modified);
    if ((state.exists && newer) || look_at(path) != state) {
      changed_ = path;
      return false;
    }
  }
  return true;
}

bool FileSet::is_fresh() {
  for (const auto& [path, state] : files_) {
    if (look_at(path) != state) {
      changed_ = path;
      return false;
    }
  }
  return true;
}

}  // namespace lwc::php
