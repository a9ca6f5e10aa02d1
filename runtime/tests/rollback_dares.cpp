// SPDX-License-Identifier: Apache-2.0
#include "rollback_dares.hpp"

#include <fcntl.h>
#include <linux/filter.h>
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
#include <sys/rseq.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace lwc::test {
namespace {

constexpr std::size_t kPage = 4096;
// Newer than libc's headers.
constexpr int kPopulateWrite = 23;
constexpr int kCollapse = 25;

long raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  return ::syscall(number, a, b, c, d, e, f);
}

long address(const void* at) {
  return static_cast<long>(reinterpret_cast<std::uintptr_t>(at));
}

bool write_file(const char* path, const char* text) {
  const int fd = ::open(path, O_WRONLY);
  const auto size = static_cast<ssize_t>(std::strlen(text));
  return fd >= 0 && ::write(fd, text, std::strlen(text)) == size && ::close(fd) == 0;
}

bool write_memory_through(const std::string& path, char* at) {
  const int fd = ::open(path.c_str(), O_RDWR);
  const auto where = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(at));
  return fd >= 0 && ::pwrite(fd, "attack", 6, where) == 6 && ::close(fd) == 0;
}

void* run_thread(void* argument) {
  std::memset(argument, 5, kPage);
  return nullptr;
}

bool ended_well(pid_t pid) {
  int status = 0;
  return pid > 0 && ::waitpid(pid, &status, 0) == pid && status == 0;
}

template <typename Action>
bool in_child(Action action) {
  pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(action() ? 0 : 1);
  }
  return ended_well(pid);
}

template <typename Action>
bool in_clone(long flags, Action action) {
  const auto pid = static_cast<pid_t>(raw(SYS_clone, flags | SIGCHLD));
  if (pid == 0) {
    ::_exit(action() ? 0 : 1);
  }
  return ended_well(pid);
}

/// A process that stays.
bool leave_child() {
  pid_t pid = ::fork();
  while (pid == 0) {
    ::pause();
  }
  return pid > 0;
}

bool make_thread(void* (*run)(void*), void* argument) {
  pthread_t thread;
  return ::pthread_create(&thread, nullptr, run, argument) == 0 &&
         ::pthread_join(thread, nullptr) == 0;
}

bool advise(char* at, std::size_t pages, int advice) {
  return ::madvise(at, pages * kPage, advice) == 0;
}

/// prctl() refuses some with anything but zeros behind.
bool control(int what, unsigned long value, unsigned long more = 0) {
  return ::prctl(what, value, more, 0UL, 0UL) == 0;
}

bool filter_system_calls() {
  sock_filter all_allowed[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  const sock_fprog program{1, all_allowed};
  return control(PR_SET_NO_NEW_PRIVS, 1) &&
         raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, address(&program)) == 0;
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

bool keep_alive(int fd) {
  int on = 1;
  return ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0;
}

bool own_signals_of(int fd) {
  return ::fcntl(fd, F_SETOWN, ::getpid()) == 0;
}

bool vfork_and_exit() {
  pid_t pid = ::vfork();
  if (pid == 0) {
    ::_exit(0);
  }
  return pid > 0;
}

struct Dare {
  const char* name;
  bool (*run)();               ///< has it done what it is named for?
  bool may_be_refused{false};  ///< depends on the kernel, the processor or the surroundings
  bool faults{false};          ///< and does not return
};

DarePlaces& p() {
  return dare_places();
}

const Dare kDares[] = {
    {"a thread", [] { return make_thread(run_thread, p().writable); }},
    {"a child, after a thread",
     [] { return make_thread(run_thread, p().writable) && leave_child(); }},
    {"a child of a thread",
     [] {
       bool left = false;
       auto leave = [](void* done) -> void* {
         *static_cast<bool*>(done) = leave_child();
         ::pause();
         return nullptr;
       };
       pthread_t thread;
       if (::pthread_create(&thread, nullptr, leave, &left) != 0) {
         return false;
       }
       while (!*const_cast<volatile bool*>(&left)) {
         ::usleep(100);
       }
       return true;
     }},
    {"a thread that faults",
     [] {
       auto fault = [](void*) -> void* {
         *const_cast<volatile int*>(static_cast<int*>(nullptr)) = 1;
         return nullptr;
       };
       pthread_t thread;
       if (::pthread_create(&thread, nullptr, fault, nullptr) != 0) {
         return false;
       }
       ::pause();
       return true;
     },
     false, true},
    // Not through libc's functions, which are watched still.
    {"memory protected, after a thread",
     [] {
       return make_thread(run_thread, p().writable) &&
              raw(SYS_mprotect, address(p().writable), kPage, PROT_READ) == 0;
     }},
    {"memory unmapped, after a thread",
     [] {
       return make_thread(run_thread, p().writable) &&
              raw(SYS_munmap, address(p().writable), 2 * kPage) == 0;
     }},
    {"break lowered, after a thread",
     [] {
       const long end = raw(SYS_brk, 0);
       const long lower = end - 8 * static_cast<long>(kPage);
       return make_thread(run_thread, p().writable) && raw(SYS_brk, lower) == lower;
     }},
    {"a child, and the root directory changed",
     [] { return leave_child() && ::chroot("/tmp") == 0; }, true},
    {"vfork", vfork_and_exit},
    {"clone that shares descriptors",
     [] { return in_clone(CLONE_FILES, [] { return ::close(p().file) == 0; }); }},
    {"clone that shares the working directory",
     [] { return in_clone(CLONE_FS, [] { return ::chdir("/") == 0; }); }},
    {"process group", [] { return ::setpgid(0, 0) == 0; }},
    {"session", [] { return ::setsid() > 0; }},
    {"read-only memory made writable",
     [] {
       if (::mprotect(p().read_only, kPage, PROT_READ | PROT_WRITE) != 0) {
         return false;
       }
       p().read_only[0] = 1;
       return true;
     }},
    {"read-only memory dropped", [] { return advise(p().read_only, 1, MADV_DONTNEED); }},
    {"advice: random", [] { return advise(p().writable, 1, MADV_RANDOM); }},
    {"advice: sequential", [] { return advise(p().writable, 1, MADV_SEQUENTIAL); }},
    {"advice: not for children", [] { return advise(p().writable, 1, MADV_DONTFORK); }},
    {"advice: wiped for children", [] { return advise(p().anonymous, 1, MADV_WIPEONFORK); }},
    {"advice: mergeable", [] { return advise(p().writable, 1, MADV_MERGEABLE); }, true},
    {"advice: huge pages", [] { return advise(p().writable, 1, MADV_HUGEPAGE); }, true},
    {"advice: a huge page now",
     [] { return advise(p().writable, 4, kCollapse) || errno == EINVAL; }, true},
    {"advice: not in core files", [] { return advise(p().writable, 1, MADV_DONTDUMP); }},
    {"advice: soon needed", [] { return advise(p().writable, 4, MADV_WILLNEED); }},
    {"advice: cold", [] { return advise(p().writable, 4, MADV_COLD); }},
    {"advice: paged out", [] { return advise(p().writable, 4, MADV_PAGEOUT); }},
    {"advice: present", [] { return advise(p().writable, 4, kPopulateWrite); }},
    {"advice on the heap: not for children",
     [] {
       auto heap = reinterpret_cast<std::uintptr_t>(p().heap) / kPage * kPage;
       return advise(reinterpret_cast<char*>(heap), 1, MADV_DONTFORK);
     }},
    {"part of the heap unmapped",
     [] {
       auto heap = reinterpret_cast<std::uintptr_t>(p().heap) / kPage * kPage;
       return ::munmap(reinterpret_cast<char*>(heap + kPage), kPage) == 0;
     }},
    {"a mapping in the way of the break",
     [] {
       auto* end = static_cast<char*>(::sbrk(0));
       return ::sbrk(-3 * intptr_t{kPage}) == end &&
              ::mmap(end, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == end;
     }},
    {"memory freed when it is needed", [] { return advise(p().anonymous, 4, MADV_FREE); }},
    {"memory that comes back without its advice",
     [] {
       return advise(p().writable, 4, MADV_DONTDUMP) && ::munmap(p().writable, 2 * kPage) == 0;
     }},
    {"locked memory", [] { return ::mlock(p().writable, kPage) == 0; }},
    {"all memory locked", [] { return ::mlockall(MCL_CURRENT) == 0; }},
    {"memory policy",
     [] {
       unsigned long first_node = 1;
       return raw(SYS_set_mempolicy, 2, address(&first_node), 64) == 0;
     },
     true},
    {"memory policy of some pages",
     [] {
       unsigned long first_node = 1;
       return raw(SYS_mbind, address(p().writable), kPage, 2, address(&first_node), 64) == 0;
     },
     true},
    {"protection key",
     [] {
       int key = ::pkey_alloc(0, 0);
       return key >= 0 && ::pkey_mprotect(p().writable, kPage, PROT_READ | PROT_WRITE, key) == 0;
     },
     true},
    {"userfaultfd", [] { return raw(SYS_userfaultfd, 1) >= 0; }, true},
    {"/proc/self/mem, data", [] { return write_memory_through("/proc/self/mem", p().writable); }},
    {"/proc/self/mem, read-only data",
     [] { return write_memory_through("/proc/self/mem", p().read_only); }},
    {"/proc/self/mem, code",
     [] {
       auto code = reinterpret_cast<std::uintptr_t>(&prepare_dares);
       return write_memory_through("/proc/thread-self/mem", reinterpret_cast<char*>(code));
     }},
    {"process_vm_writev into itself",
     [] {
       char bytes[8] = "attack";
       iovec from{bytes, sizeof bytes};
       iovec to{p().writable, sizeof bytes};
       return ::process_vm_writev(::getpid(), &from, 1, &to, 1, 0) == sizeof bytes;
     }},
    {"process_vm_writev by a child",
     [] {
       return in_child([] {
         char bytes[8] = "attack";
         iovec from{bytes, sizeof bytes};
         iovec to{p().writable + 3 * kPage, sizeof bytes};
         return ::process_vm_writev(::getppid(), &from, 1, &to, 1, 0) == sizeof bytes;
       });
     }},
    {"/proc/PID/mem by a child",
     [] {
       return in_child([] {
         return write_memory_through("/proc/" + std::to_string(::getppid()) + "/mem",
                                     p().writable + 2 * kPage);
       });
     }},
    {"ptrace by a child",
     [] {
       return in_child([] {
         const pid_t parent = ::getppid();
         int status = 0;
         return ::ptrace(PTRACE_SEIZE, parent, nullptr, nullptr) == 0 &&
                ::ptrace(PTRACE_INTERRUPT, parent, nullptr, nullptr) == 0 &&
                ::waitpid(parent, &status, __WALL) == parent &&
                ::ptrace(PTRACE_DETACH, parent, nullptr, nullptr) == 0;
       });
     }},
    {"timer slack", [] { return control(PR_SET_TIMERSLACK, 70000); }},
    {"timer slack, through /proc",
     [] { return write_file("/proc/self/timerslack_ns", "5000000"); }},
    {"death signal", [] { return control(PR_SET_PDEATHSIG, SIGUSR1); }},
    {"dumpable", [] { return control(PR_SET_DUMPABLE, 0); }},
    {"reaper of orphans", [] { return control(PR_SET_CHILD_SUBREAPER, 1); }},
    {"no new privileges", [] { return control(PR_SET_NO_NEW_PRIVS, 1); }},
    {"secure bits", [] { return control(PR_SET_SECUREBITS, 1); }, true},
    {"capabilities kept", [] { return control(PR_SET_KEEPCAPS, 1); }},
    {"capability given up", [] { return control(PR_CAPBSET_DROP, 25); }, true},
    {"no huge pages", [] { return control(PR_SET_THP_DISABLE, 1); }},
    {"machine check policy", [] { return control(PR_MCE_KILL, 1, 1); }, true},
    {"seccomp", filter_system_calls},
    {"rseq",
     [] {
       const auto own = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer()) +
                        static_cast<std::uintptr_t>(__rseq_offset);
       return raw(SYS_rseq, static_cast<long>(own), 32, 1, 0x53053053) == 0;
     }},
    {"robust list", [] { return raw(SYS_set_robust_list, address(p().writable), 24) == 0; }},
    {"thread id's address", [] { return raw(SYS_set_tid_address, address(p().writable)) > 0; }},
    {"signal stack",
     [] {
       stack_t stack{};
       stack.ss_sp = p().writable;
       stack.ss_size = 3 * kPage;
       return ::sigaltstack(&stack, nullptr) == 0;
     }},
    {"I/O priority", [] { return raw(SYS_ioprio_set, 1, 0, 3 << 13) == 0; }},
    {"scheduling policy",
     [] {
       sched_param none{};
       return ::sched_setscheduler(0, SCHED_BATCH, &none) == 0;
     }},
    {"session keyring", [] { return raw(SYS_keyctl, 1, 0) > 0; }, true},
    {"user", [] { return raw(SYS_setresuid, 65534, 65534, 65534) == 0; }, true},
    {"group", [] { return raw(SYS_setresgid, 65534, -1, -1) == 0; }, true},
    {"groups", [] { return raw(SYS_setgroups, 0, 0) == 0; }, true},
    {"namespace", [] { return ::unshare(CLONE_NEWNS) == 0; }, true},
    {"descriptors no longer shared", [] { return ::unshare(CLONE_FILES) == 0; }},
    {"root directory", [] { return ::chroot("/tmp") == 0; }, true},
    {"memory barrier registered",
     [] { return raw(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0; }},
    {"name, through /proc", [] { return write_file("/proc/self/comm", "attack"); }},
    {"out-of-memory score", [] { return write_file("/proc/self/oom_score_adj", "500"); }},
    {"core filter", [] { return write_file("/proc/self/coredump_filter", "0x7f"); }, true},
    {"written marks taken back", [] { return write_file("/proc/self/clear_refs", "4"); }},
    {"asynchronous input", [] { return ::fcntl(p().socket, F_SETFL, O_ASYNC) == 0; }},
    {"owner of signals", [] { return own_signals_of(p().socket); }},
    {"owner of signals, through a duplicate", [] { return own_signals_of(::dup(p().socket)); }},
    {"owner of signals, by a child",
     [] { return in_child([] { return ::fcntl(p().socket, F_SETOWN, ::getppid()) == 0; }); }},
    {"owner of signals, through a message",
     [] { return own_signals_of(through_a_message(p().socket)); }},
    {"signal of a descriptor", [] { return ::fcntl(p().socket, F_SETSIG, SIGUSR1) == 0; }},
    {"lease", [] { return ::fcntl(p().file, F_SETLEASE, F_WRLCK) == 0; }, true},
    {"size of a pipe", [] { return ::fcntl(p().pipe[1], F_SETPIPE_SZ, 65536 * 4) > 0; }},
    {"what is in a pipe", [] { return ::write(p().pipe[1], "attack", 6) == 6; }},
    {"socket option", [] { return keep_alive(p().socket); }},
    {"socket option, through a duplicate",
     [] { return keep_alive(::fcntl(p().socket, F_DUPFD_CLOEXEC, 100)); }},
    {"socket option, through a message", [] { return keep_alive(through_a_message(p().socket)); }},
    {"event counter", [] { return ::eventfd_write(p().event, 7) == 0; }},
    {"event counter, through a duplicate",
     [] { return ::eventfd_write(::dup2(p().event, 200), 7) == 0; }},
    {"event poll",
     [] {
       epoll_event event{};
       return ::epoll_ctl(p().epoll, EPOLL_CTL_ADD, p().event, &event) == 0;
     }},
    {"timer descriptor",
     [] {
       itimerspec when{{0, 0}, {1000, 0}};
       return ::timerfd_settime(p().timer, 0, &when, nullptr) == 0;
     }},
    {"file watch", [] { return ::inotify_add_watch(p().inotify, "/tmp", IN_CREATE) >= 0; }},
    {"offset, by preadv2",
     [] {
       char bytes[3];
       iovec part{bytes, sizeof bytes};
       return ::preadv2(p().file, &part, 1, -1, 0) == sizeof bytes;
     }},
    {"descriptors closed by range", [] { return raw(SYS_close_range, p().file, p().file) == 0; }},
    {"semaphore undone at exit",
     [] {
       int id = ::semget(IPC_PRIVATE, 1, 0600);
       sembuf up{0, 1, SEM_UNDO};
       return id >= 0 && ::semop(id, &up, 1) == 0 && ::semctl(id, 0, IPC_RMID) == 0;
     }},
    {"memory protected, after system calls are no longer watched",
     [] {
       std::memset(p().writable, 5, kPage);
       return control(59, 0) && raw(SYS_mprotect, address(p().writable), kPage, PROT_READ) == 0;
     }},
    {"system calls no longer watched", [] { return control(59, 0); }},
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

bool dare_may_be_refused(std::size_t which) {
  return kDares[which].may_be_refused;
}

bool dare_faults(std::size_t which) {
  return kDares[which].faults;
}

int dare(std::size_t which) {
  errno = 0;
  return kDares[which].run() ? 0 : (errno != 0 ? errno : EIO);
}

}  // namespace lwc::test
