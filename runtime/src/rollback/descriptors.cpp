// SPDX-License-Identifier: Apache-2.0
// The part of ProcessState that deals with descriptors and file locks.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "listing.hpp"
#include "process_state.hpp"
#include "state.hpp"

namespace lwc::rollback {
namespace {

constexpr int kVaultAbove = 512;  // where duplicates are kept, if the limit allows

/// Calls visit(fd) for every open descriptor except the one that the listing itself uses.
template <typename Visit>
long for_each_open_fd(char* buffer, std::size_t size, Visit visit) {
  const long own = gate(SYS_open, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return for_each_number(own, buffer, size,
                         [&](int fd) -> long { return fd != own ? visit(fd) : 0; });
}

}  // namespace

long ProcessState::capture_fds(State& state) {
  set_engine_fd(state.tracker.first_fd());
  set_engine_fd(state.tracker.second_fd());
  vault_start_ = limits_[RLIMIT_NOFILE].rlim_cur > kVaultAbove + kMaxBaseFds ? kVaultAbove : 3;
  static_assert(kVaultAbove + kMaxBaseFds < kMaxFds);
  int found[kMaxBaseFds];
  std::size_t count = 0;
  long error = for_each_open_fd(buffer_, sizeof buffer_, [&](int fd) -> long {
    if (is_engine_fd(fd)) {
      return 0;
    }
    if (count == kMaxBaseFds || fd >= kMaxFds) {
      return -EMFILE;
    }
    found[count++] = fd;
    return 0;
  });
  for (std::size_t i = 0; i < count && error >= 0; ++i) {
    error = capture_fd(found[i]);
  }
  find_contents();
  return error;
}

long ProcessState::capture_fd(int fd) {
  BaseFd base{};
  base.fd = fd;
  base.vault = static_cast<int>(gate(SYS_fcntl, fd, F_DUPFD_CLOEXEC, vault_start_));
  if (base.vault < 0) {
    return base.vault;
  }
  if (base.vault >= kMaxFds) {
    return -EMFILE;
  }
  set_engine_fd(base.vault);
  set_kind(fd, FdKind::Base);
  base.flags = static_cast<int>(gate(SYS_fcntl, fd, F_GETFL));
  base.fd_flags = static_cast<int>(gate(SYS_fcntl, fd, F_GETFD));
  struct stat status {};
  bool regular = gate(SYS_fstat, fd, &status) == 0 && S_ISREG(status.st_mode);
  base.offset = regular || S_ISDIR(status.st_mode) ? gate(SYS_lseek, fd, 0, SEEK_CUR) : -1;
  if (regular) {
    capture_locks(base);
  }
  gate(SYS_fcntl, fd, F_GETOWN_EX, &base.owner);
  base.signal = static_cast<int>(gate(SYS_fcntl, fd, F_GETSIG));
  base.pipe = S_ISFIFO(status.st_mode) ? status.st_ino : 0;
  base.device = status.st_dev;
  any_pipe_ = any_pipe_ || base.pipe != 0;
  if ((status.st_mode & S_IFMT) == 0) {  // eventfd, epoll, timerfd, inotify ...
    set_kind(fd, FdKind::BaseWithContents);
    any_contents_ = true;
  }
  fds_[fd_count_++] = base;
  return 0;
}

// Pipes with both ends here. With one, what passes is for or from somebody else: a log, say.
void ProcessState::find_contents() {
  for (std::size_t i = 0; i < fd_count_; ++i) {
    for (std::size_t j = i + 1; j < fd_count_; ++j) {
      bool both = fds_[i].pipe != 0 && fds_[i].pipe == fds_[j].pipe &&
                  ((fds_[i].flags ^ fds_[j].flags) & O_ACCMODE) != 0;
      if (both) {
        set_kind(fds_[i].fd, FdKind::BaseWithContents);
        set_kind(fds_[j].fd, FdKind::BaseWithContents);
        any_contents_ = true;
      }
    }
  }
}

ProcessState::Reopened ProcessState::reopened(const struct stat& status, bool for_writing) const {
  Reopened result = Reopened::Other;
  for (std::size_t i = 0; i < fd_count_ && S_ISFIFO(status.st_mode); ++i) {
    const BaseFd& base = fds_[i];
    if (base.pipe != status.st_ino || base.device != status.st_dev) {
      continue;
    }
    // Also what the snapshot only reads from: a request that can write there leaves something.
    const bool readable = (base.flags & O_ACCMODE) != O_WRONLY;
    if (has_contents(base.fd) || (for_writing && readable)) {
      return Reopened::PipeWithContents;
    }
    result = Reopened::Pipe;
  }
  return result;
}

// lock:   1: POSIX  ADVISORY  READ 4711 08:01:131 0 EOF
void ProcessState::capture_locks(BaseFd& base) {
  char path[32] = "/proc/self/fdinfo/";
  put_number(path + 18, base.fd, "");
  long file = gate(SYS_open, path, O_RDONLY | O_CLOEXEC);
  long got = file < 0 ? 0 : gate(SYS_read, file, buffer_, sizeof buffer_ - 1);
  gate(SYS_close, file);
  buffer_[got > 0 ? got : 0] = '\0';
  for (const char* line = buffer_; *line != '\0';) {
    bool is_lock = line[0] == 'l' && line[1] == 'o' && line[2] == 'c' && line[3] == 'k';
    const char* fields[10] = {};
    int count = 0;
    for (; *line != '\0' && *line != '\n'; ++line) {
      bool starts = *line != ' ' && *line != '\t' && (line[-1] == ' ' || line[-1] == '\t');
      if (is_lock && starts && count < 10) {
        fields[count++] = line;
      }
    }
    line += *line == '\n' ? 1 : 0;
    if (!is_lock || count < 8) {
      continue;
    }
    if (*fields[1] != 'P' || lock_count_ == kMaxLocks) {
      base.other_locks = true;
      continue;
    }
    Lock lock{};
    lock.fd = base.fd;
    lock.type = *fields[3] == 'W' ? F_WRLCK : F_RDLCK;
    auto parse = [](const char* text) {
      std::int64_t value = 0;
      for (; *text >= '0' && *text <= '9'; ++text) {
        value = value * 10 + (*text - '0');
      }
      return value;
    };
    lock.start = parse(fields[6]);
    lock.length = *fields[7] == 'E' ? 0 : parse(fields[7]) - lock.start + 1;
    locks_[lock_count_++] = lock;
  }
}

bool ProcessState::restore_fds(State& state) {
  Journal& journal = state.journal;
  bool ok = true;
  if ((journal.touched & kTouchedUnknownFds) != 0 || journal.pending_fds != 0) {
    ok = close_unknown_fds(state);
  } else {
    journal.opened.for_each([](int fd) { gate(SYS_close, fd); });
  }
  bool all = (journal.touched & kTouchedUnknownFds) != 0 || journal.pending_fds != 0;
  bool all_used = all || (journal.touched & kTouchedChildren) != 0;  // children share them
  for (std::size_t i = 0; i < fd_count_; ++i) {
    const BaseFd& base = fds_[i];
    bool replaced = all || journal.lost_fds.contains(base.fd);
    if ((replaced || all_used || journal.used_fds.contains(base.fd)) && base.fd != blind_fd_) {
      ok = restore_fd(base, replaced, all_used || journal.unknown_aliases) && ok;
    }
  }
  if (!ok) {
    journal.taint("descriptors");
  }
  return ok;
}

// `by_others`: not only by calls that were seen.
bool ProcessState::restore_fd(const BaseFd& base, bool replaced, bool by_others) {
  if (replaced) {
    if (gate(SYS_dup3, base.vault, base.fd, (base.fd_flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) <
        0) {
      return false;
    }
  } else {
    gate(SYS_fcntl, base.fd, F_SETFD, base.fd_flags);
  }
  if (gate(SYS_fcntl, base.fd, F_GETFL) != base.flags &&
      gate(SYS_fcntl, base.fd, F_SETFL, base.flags) < 0) {
    return false;
  }
  if (by_others) {
    f_owner_ex owner{};
    gate(SYS_fcntl, base.fd, F_GETOWN_EX, &owner);
    bool same = owner.pid == base.owner.pid && owner.type == base.owner.type;
    if ((!same && gate(SYS_fcntl, base.fd, F_SETOWN_EX, &base.owner) < 0) ||
        (gate(SYS_fcntl, base.fd, F_GETSIG) != base.signal &&
         gate(SYS_fcntl, base.fd, F_SETSIG, base.signal) < 0)) {
      return false;
    }
  }
  return base.offset < 0 || gate(SYS_lseek, base.fd, base.offset, SEEK_SET) == base.offset;
}

bool ProcessState::close_unknown_fds(State& state) {
  const Journal& journal = state.journal;
  return for_each_open_fd(buffer_, sizeof buffer_, [&](int fd) -> long {
           if (kind(fd) == FdKind::None && !journal.server_opened.contains(fd)) {
             gate(SYS_close, fd);
           }
           return 0;
         }) >= 0;
}

bool ProcessState::restore_locks(State& state) {
  Journal& journal = state.journal;
  bool ok = true;
  bool all =
      (journal.touched & (kTouchedUnknownFds | kTouchedChildren)) != 0 || journal.pending_fds != 0;
  for (std::size_t i = 0; i < fd_count_; ++i) {
    const BaseFd& base = fds_[i];
    bool posix = all || journal.locked_fds.contains(base.fd);
    bool other = all || journal.other_locked_fds.contains(base.fd);
    if ((posix || other) && base.other_locks) {
      journal.taint("locks of the snapshot");
      ok = false;
      continue;
    }
    struct flock whole {};
    whole.l_type = F_UNLCK;
    whole.l_whence = SEEK_SET;
    if (posix) {
      gate(SYS_fcntl, base.fd, F_SETLK, &whole);
    }
    if (other) {
      whole.l_pid = 0;
      gate(SYS_fcntl, base.fd, F_OFD_SETLK, &whole);
      gate(SYS_flock, base.fd, LOCK_UN);
    }
  }
  // Closing any descriptor of a file drops the process's locks on it: taken again every time.
  for (std::size_t i = 0; i < lock_count_; ++i) {
    struct flock lock {};
    lock.l_type = locks_[i].type;
    lock.l_whence = SEEK_SET;
    lock.l_start = locks_[i].start;
    lock.l_len = locks_[i].length;
    if (gate(SYS_fcntl, locks_[i].fd, F_SETLK, &lock) < 0) {
      journal.taint("locks of the snapshot, taken by somebody else");
      ok = false;
    }
  }
  return ok;
}

}  // namespace lwc::rollback
