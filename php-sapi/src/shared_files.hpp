// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

namespace lwc::php {

/// Files that an administrator allowed to be open at a snapshot. Their position is part of the
/// snapshot: what one child reads must not move the next one's.
class SharedFiles {
 public:
  void clear() { files_.clear(); }

  /// In the template. Descriptors without a position (sockets, pipes) are left as they are.
  void add(int fd);

  /// In a new holder: from here on its children share a position with nobody else.
  void reopen() const;

  /// In a child: back to where the file was at the snapshot.
  void rewind() const;

 private:
  struct File {
    int fd;
    off_t position;
  };
  std::vector<File> files_;
};

}  // namespace lwc::php
