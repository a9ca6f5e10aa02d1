// SPDX-License-Identifier: Apache-2.0
// A forked process shares the offset and flags of open files with its parent and its siblings.
#pragma once

#include <sys/types.h>

#include <vector>

namespace lwc {

/// An open file as it was at the snapshot.
struct FileDescription {
  int fd;
  int status_flags;      ///< as F_GETFL gives them
  int descriptor_flags;  ///< as F_GETFD gives them
  off_t offset;          ///< -1: has none
};

/// The regular files and devices that this process has open.
std::vector<FileDescription> open_files();

/// Opens it anew under the same number, so that what this process does to offset and flags stays
/// its own. False: this user may not open the file, and it stays shared. Nothing can be done, and
/// nothing is lost against other daemons.
bool reopen(const FileDescription& file);
void reopen(const std::vector<FileDescription>& files);

/// Puts back what whoever has the same description may have changed of it: offset, flags, locks,
/// and who is told of events. A quarter of the time of reopen().
void restore(const FileDescription& file);

}  // namespace lwc
