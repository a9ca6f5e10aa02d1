// SPDX-License-Identifier: Apache-2.0
// System calls that open, close or change descriptors.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <cerrno>

#include "syscall_watch.hpp"

namespace lwc::rollback {
namespace {

void opened(State& state, long fd) {
  Journal& journal = state.journal;
  if (fd >= kMaxFds) {
    journal.touched |= kTouchedUnknownFds;
    return;
  }
  int number = static_cast<int>(fd);
  journal.aliases.remove(number);
  journal.content_aliases.remove(number);
  if (state.process.is_base_fd(number)) {
    journal.lost_fds.add(number);
  } else if (state.phase == Phase::Server) {
    journal.server_opened.add(number);
  } else if (journal.server_opened.contains(number)) {
    journal.taint("a descriptor of the server was replaced");
  } else {
    journal.opened.add(number);
  }
}

void closed(State& state, long fd) {
  Journal& journal = state.journal;
  if (fd < 0 || fd >= kMaxFds) {
    return;
  }
  int number = static_cast<int>(fd);
  journal.aliases.remove(number);
  journal.content_aliases.remove(number);
  if (state.process.is_base_fd(number)) {
    journal.lost_fds.add(number);
  } else if (state.phase == Phase::Server) {
    journal.server_opened.remove(number);
  } else if (journal.server_opened.contains(number)) {
    journal.taint("a descriptor of the server was closed");
  } else {
    journal.opened.remove(number);
  }
}

bool is_base(const State& state, long fd) {
  return fd >= 0 && fd < kMaxFds && state.process.is_base_fd(static_cast<int>(fd));
}

/// Might it be the same open file as a descriptor of the snapshot?
bool is_shared(const State& state, long fd) {
  const Journal& journal = state.journal;
  return is_base(state, fd) || journal.unknown_aliases ||
         journal.aliases.contains(static_cast<int>(fd));
}

void used(State& state, long fd) {
  if (is_base(state, fd)) {
    state.journal.used_fds.add(static_cast<int>(fd));
  }
}

void taint_if_base(State& state, long fd, const char* what) {
  if (is_shared(state, fd) && state.phase == Phase::Child) {
    state.journal.taint(what);
  }
}

// A process that gives back all its POSIX locks on a file has none to undo.
void after_posix_lock(State& state, long fd, const struct flock& lock) {
  if (!is_base(state, fd) || state.phase != Phase::Child) {
    return;
  }
  bool all = lock.l_whence == SEEK_SET && lock.l_start == 0 && lock.l_len == 0;
  if (lock.l_type == F_UNLCK && all && !state.process.has_locks()) {
    state.journal.locked_fds.remove(static_cast<int>(fd));
  } else {
    state.journal.locked_fds.add(static_cast<int>(fd));
  }
}

void after_other_lock(State& state, long fd) {
  if (is_base(state, fd) && state.phase == Phase::Child) {
    state.journal.other_locked_fds.add(static_cast<int>(fd));
  }
}

/// Might what is read from it or written to it be found by the next request?
bool has_contents(const State& state, long fd) {
  const Journal& journal = state.journal;
  return state.process.has_contents(static_cast<int>(fd)) || journal.unknown_aliases ||
         journal.content_aliases.contains(static_cast<int>(fd));
}

void read_or_written(State& state, long fd) {
  used(state, fd);
  if (state.phase == Phase::Child && state.process.any_contents() && has_contents(state, fd)) {
    state.journal.taint("a pipe or event descriptor of the snapshot was used");
  }
}

// A duplicate shares offset, flags and locks with the original, and what happens to these is not
// followed: they are restored in any case.
void duplicated(State& state, long fd, long duplicate) {
  bool was_shared = is_shared(state, fd);
  bool had_contents = has_contents(state, fd);
  opened(state, duplicate);
  if (!was_shared || state.phase != Phase::Child || duplicate == fd) {
    return;
  }
  if (is_base(state, fd)) {
    used(state, fd);
    state.journal.locked_fds.add(static_cast<int>(fd));
    state.journal.other_locked_fds.add(static_cast<int>(fd));
  }
  if (duplicate < kMaxFds) {
    state.journal.aliases.add(static_cast<int>(duplicate));
    if (had_contents) {
      state.journal.content_aliases.add(static_cast<int>(duplicate));
    }
  } else {
    state.journal.unknown_aliases = true;
  }
}

// Files of these tell the kernel to change the process that opens them, or others.
void opened_for_writing(State& state, long fd) {
  constexpr long kProc = 0x9fa0;
  constexpr long kCgroup = 0x27e0eb;
  constexpr long kCgroup2 = 0x63677270;
  struct statfs system {};
  if (gate(SYS_fstatfs, fd, &system) == 0 &&
      (system.f_type == kProc || system.f_type == kCgroup || system.f_type == kCgroup2)) {
    state.journal.taint("a file of /proc or of a control group was opened for writing");
  }
}

// Opening a pipe again makes a description of its own, but the pipe is the same.
void opened_a_pipe(State& state, long fd, bool for_writing) {
  struct stat status {};
  if (gate(SYS_fstat, fd, &status) < 0) {
    return;
  }
  switch (state.process.reopened(status, for_writing)) {
    case ProcessState::Reopened::PipeWithContents:
      state.journal.taint("a pipe of the snapshot was opened again");
      break;
    case ProcessState::Reopened::Pipe:  // its size, say
      if (fd < kMaxFds) {
        state.journal.aliases.add(static_cast<int>(fd));
      } else {
        state.journal.unknown_aliases = true;
      }
      break;
    case ProcessState::Reopened::Other:
      break;
  }
}

void after_open(State& state, const Call& call, long result) {
  opened(state, result);
  unsigned long flags = O_WRONLY;
  if (call.number == SYS_open) {
    flags = static_cast<unsigned long>(call.args[1]);
  } else if (call.number == SYS_openat) {
    flags = static_cast<unsigned long>(call.args[2]);
  } else if (call.number == SYS_openat2) {
    flags = reinterpret_cast<const open_how*>(call.args[2])->flags;
  }
  const bool for_writing = (flags & O_ACCMODE) != O_RDONLY;
  if (state.phase != Phase::Child) {
    return;
  }
  if (for_writing) {
    opened_for_writing(state, result);
  }
  if (state.process.any_pipe()) {
    opened_a_pipe(state, result, for_writing);
  }
}

void after_fcntl(State& state, const Call& call, long result) {
  long fd = call.args[0];
  switch (call.args[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      duplicated(state, fd, result);
      break;
    case F_SETFD:
    case F_SETFL:
      used(state, fd);
      break;
    case F_SETLK:
    case F_SETLKW:
      after_posix_lock(state, fd, *reinterpret_cast<const struct flock*>(call.args[2]));
      break;
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      after_other_lock(state, fd);
      break;
    case F_GETFD:
    case F_GETFL:
    case F_GETLK:
    case F_OFD_GETLK:
      break;
    default:
      taint_if_base(state, fd, "fcntl on a descriptor of the snapshot");
  }
}

void after_ioctl(State& state, const Call& call) {
  long fd = call.args[0];
  auto request = static_cast<unsigned long>(call.args[1]);
  switch (request) {
    case FIONBIO:
    case FIOASYNC:
    case FIOCLEX:
    case FIONCLEX:
      used(state, fd);
      return;
    case TCGETS:
    case TIOCGWINSZ:
    case FIONREAD:
      return;
    default:
      break;
  }
  constexpr unsigned long kSocketRequests = 0x8900;  // SIOC...
  if ((request & 0xff00) != kSocketRequests) {
    state.journal.touched |= kTouchedUnknownFds;  // some requests open descriptors
  }
  taint_if_base(state, fd, "ioctl on a descriptor of the snapshot");
}

void after_pair(State& state, const int* pair) {
  opened(state, pair[0]);
  opened(state, pair[1]);
}

void after(State& state, const Call& call, long result) {
  const long* args = call.args;
  switch (call.number) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_vmsplice:
      read_or_written(state, args[0]);
      break;
    case SYS_lseek:
    case SYS_getdents:
    case SYS_getdents64:
      used(state, args[0]);
      break;
    case SYS_sendfile:
    case SYS_tee:
      read_or_written(state, args[0]);
      read_or_written(state, args[1]);
      break;
    case SYS_splice:
    case SYS_copy_file_range:
      read_or_written(state, args[0]);
      read_or_written(state, args[2]);
      break;
    case SYS_open:
    case SYS_openat:
    case SYS_openat2:
    case SYS_creat:
      after_open(state, call, result);
      break;
    case SYS_sendmsg:
      // A message may carry a descriptor, and come back.
      if (reinterpret_cast<const msghdr*>(args[1])->msg_controllen != 0 &&
          state.phase == Phase::Child) {
        state.journal.unknown_aliases = true;
      }
      break;
    case SYS_sendmmsg:
      state.journal.unknown_aliases = state.journal.unknown_aliases || state.phase == Phase::Child;
      break;
    case SYS_close:
      closed(state, args[0]);
      break;
    case SYS_fcntl:
      after_fcntl(state, call, result);
      break;
    case SYS_flock:
      after_other_lock(state, args[0]);
      break;
    case SYS_ioctl:
      after_ioctl(state, call);
      break;
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
      duplicated(state, args[0], result);
      break;
    case SYS_pipe:
    case SYS_pipe2:
      after_pair(state, reinterpret_cast<const int*>(args[0]));
      break;
    case SYS_socketpair:
      after_pair(state, reinterpret_cast<const int*>(args[3]));
      break;
    case SYS_connect:
    case SYS_bind:
    case SYS_listen:
    case SYS_shutdown:
    case SYS_setsockopt:
      taint_if_base(state, args[0], "a socket of the snapshot was changed");
      break;
    case SYS_fadvise64:
    case SYS_mq_notify:
    case SYS_mq_getsetattr:
      taint_if_base(state, args[0], "advice or notification on a descriptor of the snapshot");
      break;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
      read_or_written(state, args[0]);
      break;
    case SYS_epoll_ctl:
    case SYS_timerfd_settime:
    case SYS_inotify_add_watch:
    case SYS_inotify_rm_watch:
      taint_if_base(state, args[0], "an event descriptor of the snapshot was changed");
      break;
    case SYS_signalfd:
    case SYS_signalfd4:
      if (args[0] < 0) {
        opened(state, result);
      } else {
        taint_if_base(state, args[0], "a signalfd of the snapshot was changed");
      }
      break;
    case SYS_recvmsg:
      if (reinterpret_cast<const msghdr*>(args[1])->msg_controllen != 0 &&
          state.phase == Phase::Child) {
        state.journal.touched |= kTouchedUnknownFds;
      }
      break;
    case SYS_recvmmsg:
      state.journal.touched |= kTouchedUnknownFds;
      break;
    case SYS_close_range:
      state.journal.touched |= kTouchedUnknownFds;
      state.journal.taint("close_range");
      break;
    default:  // returns a new descriptor
      opened(state, result);
  }
}

}  // namespace

long watch_descriptor_call(State& state, const Call& call) {
  bool by_number = call.number == SYS_close || call.number == SYS_dup2 || call.number == SYS_dup3;
  long target = call.number == SYS_close ? call.args[0] : call.args[1];
  if (by_number && target >= 0 && target < kMaxFds &&
      state.process.is_engine_fd(static_cast<int>(target))) {
    return -EBADF;
  }
  Pending pending(state.journal.pending_fds);
  long result = make(call);
  if (result >= 0 || call.number == SYS_close) {
    after(state, call, result);
  }
  return result;
}

}  // namespace lwc::rollback
