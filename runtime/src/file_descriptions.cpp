// SPDX-License-Identifier: Apache-2.0
#include "file_descriptions.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace lwc {

std::vector<FileDescription> open_files() {
  std::vector<FileDescription> files;
  DIR* list = ::opendir("/proc/self/fd");
  if (list == nullptr) {
    return files;
  }
  while (dirent* entry = ::readdir(list)) {
    int fd = std::atoi(entry->d_name);
    struct stat about {};
    if (entry->d_name[0] == '.' || fd == ::dirfd(list) || ::fstat(fd, &about) != 0 ||
        !(S_ISREG(about.st_mode) || S_ISCHR(about.st_mode))) {
      continue;
    }
    int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_PATH) == 0) {
      files.push_back({fd, flags, ::fcntl(fd, F_GETFD), ::lseek(fd, 0, SEEK_CUR)});
    }
  }
  ::closedir(list);
  return files;
}

bool reopen(const FileDescription& file) {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file.fd);
  int own = ::open(path, file.status_flags | O_CLOEXEC | O_NOCTTY);
  if (own < 0) {
    return false;
  }
  if (file.offset > 0) {
    ::lseek(own, file.offset, SEEK_SET);
  }
  ::dup3(own, file.fd, (file.descriptor_flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
  ::close(own);
  return true;
}

void reopen(const std::vector<FileDescription>& files) {
  for (const FileDescription& file : files) {
    reopen(file);
  }
}

void restore(const FileDescription& file) {
  if (file.offset >= 0 && ::lseek(file.fd, 0, SEEK_CUR) != file.offset) {
    ::lseek(file.fd, file.offset, SEEK_SET);
  }
  if (::fcntl(file.fd, F_GETFL) != file.status_flags) {
    ::fcntl(file.fd, F_SETFL, file.status_flags);
  }
  ::flock(file.fd, LOCK_UN);
  struct flock all {};
  all.l_type = F_UNLCK;
  ::fcntl(file.fd, F_OFD_SETLK, &all);
  ::fcntl(file.fd, F_SETLEASE, F_UNLCK);
  f_owner_ex nobody{};
  if (::fcntl(file.fd, F_GETOWN_EX, &nobody) == 0 && nobody.pid != 0) {
    nobody = f_owner_ex{F_OWNER_TID, 0};
    ::fcntl(file.fd, F_SETOWN_EX, &nobody);
  }
  if (::fcntl(file.fd, F_GETSIG) != 0) {
    ::fcntl(file.fd, F_SETSIG, 0);
  }
}

}  // namespace lwc
