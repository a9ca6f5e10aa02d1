// SPDX-License-Identifier: Apache-2.0
#include "rollback_dares.hpp"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

namespace lwc::test {
namespace {

constexpr std::size_t kPage = 4096;

void write_file(const char* path, const char* text) {
  if (int fd = ::open(path, O_WRONLY); fd >= 0) {
    [[maybe_unused]] ssize_t wrote = ::write(fd, text, std::strlen(text));
    ::close(fd);
  }
}

void write_memory_through(const std::string& path, char* at) {
  if (int fd = ::open(path.c_str(), O_RDWR); fd >= 0) {
    [[maybe_unused]] ssize_t wrote =
        ::pwrite(fd, "attack", 6, static_cast<off_t>(reinterpret_cast<std::uintptr_t>(at)));
    ::close(fd);
  }
}

void* run_thread(void* argument) {
  std::memset(argument, 5, kPage);
  return nullptr;
}

template <typename Action>
void in_child(Action action) {
  pid_t pid = ::fork();
  if (pid == 0) {
    action();
    ::_exit(0);
  }
  ::waitpid(pid, nullptr, 0);
}

/// The bytes of a message that carries `fd`, to ourselves; the descriptor that arrives.
int through_a_message(int fd) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) {
    return -1;
  }
  char byte = 'b';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  ::sendmsg(pair[0], &message, 0);
  ::recvmsg(pair[1], &message, MSG_DONTWAIT);
  int arrived = -1;
  std::memcpy(&arrived, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof arrived);
  return arrived;
}

void keep_alive(int fd) {
  int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return ::syscall(number, a, b, c, d, e, f);
}

int vfork_and_exit() {
  if (pid_t pid = ::vfork(); pid == 0) {
    ::_exit(0);
  }
  return 0;
}

struct Dare {
  const char* name;
  void (*run)();
};

DarePlaces& p() {
  return dare_places();
}

long address(void* at) {
  return static_cast<long>(reinterpret_cast<std::uintptr_t>(at));
}

const Dare kDares[] = {
    {"a thread",
     [] {
       pthread_t thread;
       if (::pthread_create(&thread, nullptr, run_thread, p().writable) == 0) {
         ::pthread_join(thread, nullptr);
       }
     }},
    {"vfork", [] { vfork_and_exit(); }},
    {"clone that shares descriptors",
     [] {
       if (raw(SYS_clone, CLONE_FILES | SIGCHLD) == 0) {
         ::close(p().file);
         ::_exit(0);
       }
       ::wait(nullptr);
     }},
    {"clone that shares the working directory",
     [] {
       if (raw(SYS_clone, CLONE_FS | SIGCHLD) == 0) {
         [[maybe_unused]] int changed = ::chdir("/");
         ::_exit(0);
       }
       ::wait(nullptr);
     }},
    {"process group", [] { ::setpgid(0, 0); }},
    {"session", [] { ::setsid(); }},
    {"read-only memory made writable",
     [] {
       ::mprotect(p().read_only, kPage, PROT_READ | PROT_WRITE);
       p().read_only[0] = 1;
     }},
    {"read-only memory dropped", [] { ::madvise(p().read_only, kPage, MADV_DONTNEED); }},
    {"advice: random", [] { ::madvise(p().writable, kPage, MADV_RANDOM); }},
    {"advice: not for children", [] { ::madvise(p().writable, kPage, MADV_DONTFORK); }},
    {"advice: wiped for children", [] { ::madvise(p().writable, kPage, MADV_WIPEONFORK); }},
    {"advice: mergeable", [] { ::madvise(p().writable, kPage, MADV_MERGEABLE); }},
    {"advice: huge pages", [] { ::madvise(p().writable, kPage, MADV_HUGEPAGE); }},
    {"advice: not in core files", [] { ::madvise(p().writable, kPage, MADV_DONTDUMP); }},
    {"memory freed when it is needed", [] { ::madvise(p().writable, 4 * kPage, MADV_FREE); }},
    {"locked memory", [] { ::mlock(p().writable, kPage); }},
    {"all memory locked", [] { ::mlockall(MCL_CURRENT); }},
    {"memory policy", [] { raw(SYS_set_mempolicy, 3); }},
    {"protection key",
     [] {
       int key = ::pkey_alloc(0, 0);
       if (key >= 0) {
         ::pkey_mprotect(p().writable, kPage, PROT_READ | PROT_WRITE, key);
       }
     }},
    {"userfaultfd", [] { raw(SYS_userfaultfd, 1); }},
    {"/proc/self/mem, data", [] { write_memory_through("/proc/self/mem", p().writable); }},
    {"/proc/self/mem, read-only data",
     [] { write_memory_through("/proc/self/mem", p().read_only); }},
    {"/proc/self/mem, code",
     [] {
       auto code = reinterpret_cast<std::uintptr_t>(&prepare_dares);
       write_memory_through("/proc/thread-self/mem", reinterpret_cast<char*>(code));
     }},
    {"process_vm_writev into itself",
     [] {
       char bytes[8] = "attack";
       iovec from{bytes, sizeof bytes};
       iovec to{p().writable, sizeof bytes};
       ::process_vm_writev(::getpid(), &from, 1, &to, 1, 0);
     }},
    {"process_vm_writev by a child",
     [] {
       in_child([] {
         char bytes[8] = "attack";
         iovec from{bytes, sizeof bytes};
         iovec to{p().writable + 3 * kPage, sizeof bytes};
         ::process_vm_writev(::getppid(), &from, 1, &to, 1, 0);
       });
     }},
    {"/proc/PID/mem by a child",
     [] {
       in_child([] {
         write_memory_through("/proc/" + std::to_string(::getppid()) + "/mem",
                              p().writable + 2 * kPage);
       });
     }},
    {"ptrace by a child",
     [] {
       in_child([] {
         pid_t parent = ::getppid();
         if (::ptrace(PTRACE_SEIZE, parent, nullptr, nullptr) == 0) {
           ::ptrace(PTRACE_DETACH, parent, nullptr, nullptr);
         }
       });
     }},
    {"timer slack", [] { ::prctl(PR_SET_TIMERSLACK, 70000); }},
    {"death signal", [] { ::prctl(PR_SET_PDEATHSIG, SIGUSR1); }},
    {"dumpable", [] { ::prctl(PR_SET_DUMPABLE, 0); }},
    {"reaper of orphans", [] { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }},
    {"no new privileges", [] { ::prctl(PR_SET_NO_NEW_PRIVS, 1); }},
    {"secure bits", [] { ::prctl(PR_SET_SECUREBITS, 1); }},
    {"capabilities kept", [] { ::prctl(PR_SET_KEEPCAPS, 1); }},
    {"capability given up", [] { ::prctl(PR_CAPBSET_DROP, 25); }},
    {"no huge pages", [] { ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); }},
    {"machine check policy", [] { ::prctl(PR_MCE_KILL, 1, 1, 0, 0); }},
    {"seccomp",
     [] {
       ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
       raw(SYS_seccomp, 99);
     }},
    {"rseq", [] { raw(SYS_rseq, 0, 32, 1, 0x53053053); }},
    {"robust list", [] { raw(SYS_set_robust_list, address(p().writable), 24); }},
    {"thread id's address", [] { raw(SYS_set_tid_address, address(p().writable)); }},
    {"signal stack",
     [] {
       stack_t stack{};
       stack.ss_sp = p().writable;
       stack.ss_size = 3 * kPage;
       ::sigaltstack(&stack, nullptr);
     }},
    {"I/O priority", [] { raw(SYS_ioprio_set, 1, 0, 3 << 13); }},
    {"scheduling policy",
     [] {
       sched_param none{};
       ::sched_setscheduler(0, SCHED_BATCH, &none);
     }},
    {"session keyring", [] { raw(SYS_keyctl, 1, 0); }},
    {"user", [] { raw(SYS_setresuid, 65534, 65534, 65534); }},
    {"group", [] { raw(SYS_setresgid, 65534, -1, -1); }},
    {"groups", [] { raw(SYS_setgroups, 0, 0); }},
    {"namespace", [] { ::unshare(CLONE_NEWNS); }},
    {"descriptors no longer shared", [] { ::unshare(CLONE_FILES); }},
    {"root directory", [] { [[maybe_unused]] int changed = ::chroot("/tmp"); }},
    {"memory barrier registered",
     [] { raw(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED); }},
    {"name, through /proc", [] { write_file("/proc/self/comm", "attack"); }},
    {"out-of-memory score", [] { write_file("/proc/self/oom_score_adj", "500"); }},
    {"core filter", [] { write_file("/proc/self/coredump_filter", "7f"); }},
    {"written marks taken back", [] { write_file("/proc/self/clear_refs", "4"); }},
    {"asynchronous input", [] { ::fcntl(p().socket, F_SETFL, O_ASYNC); }},
    {"owner of signals", [] { ::fcntl(p().socket, F_SETOWN, ::getpid()); }},
    {"owner of signals, through a duplicate",
     [] { ::fcntl(::dup(p().socket), F_SETOWN, ::getpid()); }},
    {"owner of signals, by a child",
     [] { in_child([] { ::fcntl(p().socket, F_SETOWN, ::getppid()); }); }},
    {"owner of signals, through a message",
     [] { ::fcntl(through_a_message(p().socket), F_SETOWN, ::getpid()); }},
    {"signal of a descriptor", [] { ::fcntl(p().socket, F_SETSIG, SIGUSR1); }},
    {"lease", [] { ::fcntl(p().file, F_SETLEASE, F_RDLCK); }},
    {"size of a pipe", [] { ::fcntl(p().pipe[1], F_SETPIPE_SZ, 65536 * 4); }},
    {"what is in a pipe", [] { [[maybe_unused]] ssize_t n = ::write(p().pipe[1], "attack", 6); }},
    {"socket option", [] { keep_alive(p().socket); }},
    {"socket option, through a duplicate",
     [] { keep_alive(::fcntl(p().socket, F_DUPFD_CLOEXEC, 100)); }},
    {"socket option, through a message", [] { keep_alive(through_a_message(p().socket)); }},
    {"event counter", [] { ::eventfd_write(p().event, 7); }},
    {"event counter, through a duplicate", [] { ::eventfd_write(::dup2(p().event, 200), 7); }},
    {"event poll",
     [] {
       epoll_event event{};
       ::epoll_ctl(p().epoll, EPOLL_CTL_ADD, p().event, &event);
     }},
    {"timer descriptor",
     [] {
       itimerspec when{{0, 0}, {1000, 0}};
       ::timerfd_settime(p().timer, 0, &when, nullptr);
     }},
    {"file watch", [] { ::inotify_add_watch(p().inotify, "/tmp", IN_CREATE); }},
    {"offset, by preadv2",
     [] {
       char bytes[3];
       iovec part{bytes, sizeof bytes};
       ::preadv2(p().file, &part, 1, -1, 0);
     }},
    {"descriptors closed by range", [] { raw(SYS_close_range, p().file, p().file); }},
    {"semaphore undone at exit",
     [] {
       int id = ::semget(IPC_PRIVATE, 1, 0600);
       sembuf up{0, 1, SEM_UNDO};
       ::semop(id, &up, 1);
       ::semctl(id, 0, IPC_RMID);
     }},
    {"system calls no longer watched", [] { ::prctl(59, 0, 0, 0, 0); }},
};

}  // namespace

DarePlaces& dare_places() {
  static DarePlaces places;
  return places;
}

void prepare_dares() {
  DarePlaces& places = dare_places();
  places.event = ::eventfd(3, EFD_NONBLOCK);
  places.timer = ::timerfd_create(CLOCK_MONOTONIC, 0);
  places.epoll = ::epoll_create1(0);
  places.inotify = ::inotify_init1(IN_NONBLOCK);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
    places.socket = pair[0];
  }
}

std::size_t dare_count() {
  return sizeof kDares / sizeof kDares[0];
}

const char* dare_name(std::size_t which) {
  return kDares[which].name;
}

void dare(std::size_t which) {
  kDares[which].run();
}

}  // namespace lwc::test
