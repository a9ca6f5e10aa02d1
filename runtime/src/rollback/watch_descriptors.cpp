// SPDX-License-Identifier: Apache-2.0
// System calls that open, close or change descriptors.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

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

void used(State& state, long fd) {
  if (is_base(state, fd)) {
    state.journal.used_fds.add(static_cast<int>(fd));
  }
}

// A duplicate shares offset, flags and locks with the original: what happens to it is not followed.
void shared(State& state, long fd) {
  if (is_base(state, fd) && state.phase == Phase::Child) {
    used(state, fd);
    state.journal.locked_fds.add(static_cast<int>(fd));
  }
}

void taint_if_base(State& state, long fd, const char* what) {
  if (is_base(state, fd) && state.phase == Phase::Child) {
    state.journal.taint(what);
  }
}

void after_fcntl(State& state, const Call& call, long result) {
  long fd = call.args[0];
  switch (call.args[1]) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      shared(state, fd);
      opened(state, result);
      break;
    case F_SETFD:
    case F_SETFL:
      used(state, fd);
      break;
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      if (is_base(state, fd) && state.phase == Phase::Child) {
        state.journal.locked_fds.add(static_cast<int>(fd));
      }
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
    case SYS_lseek:
    case SYS_getdents:
    case SYS_getdents64:
    case SYS_vmsplice:
      used(state, args[0]);
      break;
    case SYS_sendfile:
    case SYS_tee:
      used(state, args[0]);
      used(state, args[1]);
      break;
    case SYS_splice:
    case SYS_copy_file_range:
      used(state, args[0]);
      used(state, args[2]);
      break;
    case SYS_close:
      closed(state, args[0]);
      break;
    case SYS_fcntl:
      after_fcntl(state, call, result);
      break;
    case SYS_flock:
      if (is_base(state, args[0]) && state.phase == Phase::Child) {
        state.journal.locked_fds.add(static_cast<int>(args[0]));
      }
      break;
    case SYS_ioctl:
      after_ioctl(state, call);
      break;
    case SYS_dup:
    case SYS_dup2:
    case SYS_dup3:
      shared(state, args[0]);
      opened(state, result);
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
