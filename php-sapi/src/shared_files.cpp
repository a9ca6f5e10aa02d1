// SPDX-License-Identifier: Apache-2.0
#include "shared_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace lwc::php {

void SharedFiles::add(int fd) {
  struct stat status;
  const off_t position = ::lseek(fd, 0, SEEK_CUR);
  if (position >= 0 && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
    files_.push_back({fd, position});
  }
}

void SharedFiles::reopen() const {
  for (const File& file : files_) {
    char path[32];
    std::snprintf(path, sizeof(path), "/proc/self/fd/%d", file.fd);
    const int flags = ::fcntl(file.fd, F_GETFL);
    const int own = ::open(path, (flags & (O_ACCMODE | O_APPEND | O_NONBLOCK)) | O_CLOEXEC);
    if (own < 0) {
      continue;  // not readable any more for this user: shared it stays
    }
    ::dup3(own, file.fd, ::fcntl(file.fd, F_GETFD) == FD_CLOEXEC ? O_CLOEXEC : 0);
    ::close(own);
  }
}

void SharedFiles::rewind() const {
  for (const File& file : files_) {
    ::lseek(file.fd, file.position, SEEK_SET);
  }
}

}  // namespace lwc::php
