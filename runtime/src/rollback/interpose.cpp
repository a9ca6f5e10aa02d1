// SPDX-License-Identifier: Apache-2.0
// libc functions that every request calls, replaced for the whole process by ones that go through
// the gate: a trapped system call costs 2 us, this costs nothing.
//
// Only for speed. A call that is missing here, or is made inside libc, is trapped and has the same
// effect. Outside of holders these behave like libc's (but are no cancellation points).
#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstdio>

#include "deep_bindings.hpp"
#include "syscall_watch.hpp"

// libc declares many of these with other names for 64-bit offsets, inline checks, or exception
// specifications: here they are given their symbol by hand.
#define LWC_REPLACES(symbol) __asm__(symbol) __attribute__((visibility("default"), used))

namespace {

using lwc::rollback::Call;
using lwc::rollback::g_state;
using lwc::rollback::gate_word;
using lwc::rollback::State;

long finish(long result) {
  if (result < 0 && result > -4096) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

template <typename... Args>
long call(long number, Args... args) {
  Call made{number, {gate_word(args)...}};
  State* state = g_state;
  return finish(state == nullptr ? lwc::rollback::make(made)
                                 : lwc::rollback::watched_call(*state, made));
}

/// Puts it on the list of replacements(), too.
#define LWC_LISTED(name, symbol)                                                                  \
  [[gnu::section("lwc_replacements"), gnu::used]] const lwc::rollback::Replacement listed_##name{ \
      (symbol), reinterpret_cast<void (*)()>(&(name))};

/// Makes it the plain `type name(parameters)` under the symbol `symbol`.
#define LWC_CALL(type, name, symbol, number, parameters, ...) \
  extern "C" type name parameters LWC_REPLACES(symbol);       \
  LWC_LISTED(name, symbol)                                    \
  extern "C" type name parameters {                           \
    return static_cast<type>(call(number, __VA_ARGS__));      \
  }

}  // namespace

using Size = unsigned long;

LWC_CALL(long, lwc_read, "read", SYS_read, (int fd, void* to, Size size), fd, to, size)
LWC_CALL(long, lwc_write, "write", SYS_write, (int fd, const void* from, Size size), fd, from, size)
LWC_CALL(long, lwc_readv, "readv", SYS_readv, (int fd, const iovec* v, int n), fd, v, n)
LWC_CALL(long, lwc_writev, "writev", SYS_writev, (int fd, const iovec* v, int n), fd, v, n)
LWC_CALL(long, lwc_pread, "pread", SYS_pread64, (int fd, void* to, Size n, long at), fd, to, n, at)
LWC_CALL(long, lwc_pread64, "pread64", SYS_pread64, (int fd, void* to, Size n, long at), fd, to, n,
         at)
LWC_CALL(long, lwc_pwrite, "pwrite", SYS_pwrite64, (int fd, const void* p, Size n, long at), fd, p,
         n, at)
LWC_CALL(long, lwc_pwrite64, "pwrite64", SYS_pwrite64, (int fd, const void* p, Size n, long at), fd,
         p, n, at)
LWC_CALL(long, lwc_lseek, "lseek", SYS_lseek, (int fd, long to, int from), fd, to, from)
LWC_CALL(long, lwc_lseek64, "lseek64", SYS_lseek, (int fd, long to, int from), fd, to, from)
LWC_CALL(int, lwc_close, "close", SYS_close, (int fd), fd)
LWC_CALL(int, lwc_fstat, "fstat", SYS_fstat, (int fd, void* to), fd, to)
LWC_CALL(int, lwc_fstat64, "fstat64", SYS_fstat, (int fd, void* to), fd, to)
LWC_CALL(int, lwc_stat, "stat", SYS_stat, (const char* path, void* to), path, to)
LWC_CALL(int, lwc_stat64, "stat64", SYS_stat, (const char* path, void* to), path, to)
LWC_CALL(int, lwc_lstat, "lstat", SYS_lstat, (const char* path, void* to), path, to)
LWC_CALL(int, lwc_lstat64, "lstat64", SYS_lstat, (const char* path, void* to), path, to)
LWC_CALL(int, lwc_access, "access", SYS_access, (const char* path, int mode), path, mode)
LWC_CALL(int, lwc_unlink, "unlink", SYS_unlink, (const char* path), path)
LWC_CALL(long, lwc_readlink, "readlink", SYS_readlink, (const char* path, char* to, Size n), path,
         to, n)
LWC_CALL(int, lwc_ftruncate, "ftruncate", SYS_ftruncate, (int fd, long size), fd, size)
LWC_CALL(int, lwc_ftruncate64, "ftruncate64", SYS_ftruncate, (int fd, long size), fd, size)
LWC_CALL(int, lwc_flock, "flock", SYS_flock, (int fd, int operation), fd, operation)
LWC_CALL(int, lwc_dup, "dup", SYS_dup, (int fd), fd)
LWC_CALL(int, lwc_chdir, "chdir", SYS_chdir, (const char* path), path)
LWC_CALL(int, lwc_fchdir, "fchdir", SYS_fchdir, (int fd), fd)
LWC_CALL(unsigned, lwc_umask, "umask", SYS_umask, (unsigned mask), mask)
LWC_CALL(int, lwc_getpid, "getpid", SYS_getpid, (), 0)
LWC_CALL(unsigned, lwc_getuid, "getuid", SYS_getuid, (), 0)
LWC_CALL(unsigned, lwc_geteuid, "geteuid", SYS_geteuid, (), 0)

LWC_CALL(int, lwc_munmap, "munmap", SYS_munmap, (void* at, Size size), at, size)
LWC_CALL(int, lwc_mprotect, "mprotect", SYS_mprotect, (void* at, Size size, int prot), at, size,
         prot)
LWC_CALL(int, lwc_madvise, "madvise", SYS_madvise, (void* at, Size size, int advice), at, size,
         advice)

LWC_CALL(int, lwc_socket, "socket", SYS_socket, (int family, int type, int protocol), family, type,
         protocol)
LWC_CALL(int, lwc_connect, "connect", SYS_connect, (int fd, const void* to, unsigned n), fd, to, n)
LWC_CALL(int, lwc_shutdown, "shutdown", SYS_shutdown, (int fd, int how), fd, how)
LWC_CALL(int, lwc_accept, "accept", SYS_accept, (int fd, void* from, void* n), fd, from, n)
LWC_CALL(int, lwc_accept4, "accept4", SYS_accept4, (int fd, void* from, void* n, int flags), fd,
         from, n, flags)
LWC_CALL(int, lwc_setsockopt, "setsockopt", SYS_setsockopt,
         (int fd, int level, int name, const void* value, unsigned n), fd, level, name, value, n)
LWC_CALL(int, lwc_getsockopt, "getsockopt", SYS_getsockopt,
         (int fd, int level, int name, void* value, void* n), fd, level, name, value, n)
LWC_CALL(int, lwc_getsockname, "getsockname", SYS_getsockname, (int fd, void* to, void* n), fd, to,
         n)
LWC_CALL(int, lwc_getpeername, "getpeername", SYS_getpeername, (int fd, void* to, void* n), fd, to,
         n)
LWC_CALL(long, lwc_recv, "recv", SYS_recvfrom, (int fd, void* to, Size n, int flags), fd, to, n,
         flags, 0, 0)
LWC_CALL(long, lwc_send, "send", SYS_sendto, (int fd, const void* from, Size n, int flags), fd,
         from, n, flags, 0, 0)
LWC_CALL(long, lwc_recvfrom, "recvfrom", SYS_recvfrom,
         (int fd, void* to, Size n, int flags, void* from, void* size), fd, to, n, flags, from,
         size)
LWC_CALL(long, lwc_sendto, "sendto", SYS_sendto,
         (int fd, const void* p, Size n, int flags, const void* to, unsigned size), fd, p, n, flags,
         to, size)
LWC_CALL(long, lwc_recvmsg, "recvmsg", SYS_recvmsg, (int fd, msghdr* m, int flags), fd, m, flags)
LWC_CALL(long, lwc_sendmsg, "sendmsg", SYS_sendmsg, (int fd, const msghdr* m, int flags), fd, m,
         flags)
LWC_CALL(int, lwc_poll, "poll", SYS_poll, (void* fds, Size n, int timeout), fds, n, timeout)
LWC_CALL(int, lwc_epoll_wait, "epoll_wait", SYS_epoll_wait,
         (int fd, void* events, int n, int timeout), fd, events, n, timeout)

LWC_CALL(int, lwc_setitimer, "setitimer", SYS_setitimer, (int which, const void* value, void* old),
         which, value, old)
LWC_CALL(int, lwc_getitimer, "getitimer", SYS_getitimer, (int which, void* value), which, value)
LWC_CALL(int, lwc_getrusage, "getrusage", SYS_getrusage, (int who, void* usage), who, usage)
LWC_CALL(long, lwc_times, "times", SYS_times, (void* times), times)
LWC_CALL(long, lwc_getrandom, "getrandom", SYS_getrandom, (void* to, Size n, unsigned flags), to, n,
         flags)
LWC_CALL(int, lwc_sigprocmask, "sigprocmask", SYS_rt_sigprocmask,
         (int how, const sigset_t* set, sigset_t* old), how, set, old, 8)

// With variable arguments: the kernel ignores the one that is not there.
extern "C" {
int lwc_open(const char* path, int flags, ...) LWC_REPLACES("open");
int lwc_open64(const char* path, int flags, ...) LWC_REPLACES("open64");
int lwc_openat(int at, const char* path, int flags, ...) LWC_REPLACES("openat");
int lwc_openat64(int at, const char* path, int flags, ...) LWC_REPLACES("openat64");
int lwc_fcntl(int fd, int command, ...) LWC_REPLACES("fcntl");
int lwc_fcntl64(int fd, int command, ...) LWC_REPLACES("fcntl64");
int lwc_ioctl(int fd, unsigned long request, ...) LWC_REPLACES("ioctl");
int lwc_fstatat(int at, const char* path, void* to, int flags) LWC_REPLACES("fstatat");
int lwc_fstatat64(int at, const char* path, void* to, int flags) LWC_REPLACES("fstatat64");
void* lwc_mmap(void* at, Size size, int prot, int flags, int fd, long offset) LWC_REPLACES("mmap");
void* lwc_mmap64(void* at, Size size, int prot, int flags, int fd, long offset)
    LWC_REPLACES("mmap64");
void* lwc_mremap(void* at, Size old_size, Size size, int flags, ...) LWC_REPLACES("mremap");
int lwc_dup2(int fd, int wanted) LWC_REPLACES("dup2");
char* lwc_getcwd(char* to, Size size) LWC_REPLACES("getcwd");
int lwc_getpriority(int which, unsigned who) LWC_REPLACES("getpriority");
int lwc_getentropy(void* to, Size size) LWC_REPLACES("getentropy");
int lwc_sigaction(int signal, const struct sigaction* action, struct sigaction* old)
    LWC_REPLACES("sigaction");
int lwc_system(const char* command) LWC_REPLACES("system");
FILE* lwc_popen(const char* command, const char* mode) LWC_REPLACES("popen");
int lwc_posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                    const posix_spawnattr_t* attributes, char* const* argv, char* const* envp)
    LWC_REPLACES("posix_spawn");
int lwc_posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                     const posix_spawnattr_t* attributes, char* const* argv, char* const* envp)
    LWC_REPLACES("posix_spawnp");
}

namespace {

LWC_LISTED(lwc_open, "open")
LWC_LISTED(lwc_open64, "open64")
LWC_LISTED(lwc_openat, "openat")
LWC_LISTED(lwc_openat64, "openat64")
LWC_LISTED(lwc_fcntl, "fcntl")
LWC_LISTED(lwc_fcntl64, "fcntl64")
LWC_LISTED(lwc_ioctl, "ioctl")
LWC_LISTED(lwc_fstatat, "fstatat")
LWC_LISTED(lwc_fstatat64, "fstatat64")
LWC_LISTED(lwc_mmap, "mmap")
LWC_LISTED(lwc_mmap64, "mmap64")
LWC_LISTED(lwc_mremap, "mremap")
LWC_LISTED(lwc_dup2, "dup2")
LWC_LISTED(lwc_getcwd, "getcwd")
LWC_LISTED(lwc_getpriority, "getpriority")
LWC_LISTED(lwc_getentropy, "getentropy")
LWC_LISTED(lwc_sigaction, "sigaction")
LWC_LISTED(lwc_system, "system")
LWC_LISTED(lwc_popen, "popen")
LWC_LISTED(lwc_posix_spawn, "posix_spawn")
LWC_LISTED(lwc_posix_spawnp, "posix_spawnp")

#define LWC_LAST_ARGUMENT(type, name, after) \
  va_list list_of_##name;                    \
  va_start(list_of_##name, after);           \
  type name = va_arg(list_of_##name, type);  \
  va_end(list_of_##name)

constexpr int kAtCwd = -100;

}  // namespace

int lwc_open(const char* path, int flags, ...) {
  LWC_LAST_ARGUMENT(int, mode, flags);
  return static_cast<int>(call(SYS_openat, kAtCwd, path, flags, mode));
}
int lwc_open64(const char* path, int flags, ...) {
  LWC_LAST_ARGUMENT(int, mode, flags);
  return static_cast<int>(call(SYS_openat, kAtCwd, path, flags, mode));
}
int lwc_openat(int at, const char* path, int flags, ...) {
  LWC_LAST_ARGUMENT(int, mode, flags);
  return static_cast<int>(call(SYS_openat, at, path, flags, mode));
}
int lwc_openat64(int at, const char* path, int flags, ...) {
  LWC_LAST_ARGUMENT(int, mode, flags);
  return static_cast<int>(call(SYS_openat, at, path, flags, mode));
}
int lwc_fcntl(int fd, int command, ...) {
  LWC_LAST_ARGUMENT(long, argument, command);
  return static_cast<int>(call(SYS_fcntl, fd, command, argument));
}
int lwc_fcntl64(int fd, int command, ...) {
  LWC_LAST_ARGUMENT(long, argument, command);
  return static_cast<int>(call(SYS_fcntl, fd, command, argument));
}
int lwc_ioctl(int fd, unsigned long request, ...) {
  LWC_LAST_ARGUMENT(long, argument, request);
  return static_cast<int>(call(SYS_ioctl, fd, request, argument));
}
int lwc_fstatat(int at, const char* path, void* to, int flags) {
  return static_cast<int>(call(SYS_newfstatat, at, path, to, flags));
}
int lwc_fstatat64(int at, const char* path, void* to, int flags) {
  return static_cast<int>(call(SYS_newfstatat, at, path, to, flags));
}
void* lwc_mmap(void* at, Size size, int prot, int flags, int fd, long offset) {
  return reinterpret_cast<void*>(call(SYS_mmap, at, size, prot, flags, fd, offset));
}
void* lwc_mmap64(void* at, Size size, int prot, int flags, int fd, long offset) {
  return reinterpret_cast<void*>(call(SYS_mmap, at, size, prot, flags, fd, offset));
}
void* lwc_mremap(void* at, Size old_size, Size size, int flags, ...) {
  LWC_LAST_ARGUMENT(void*, to, flags);
  return reinterpret_cast<void*>(call(SYS_mremap, at, old_size, size, flags, to));
}
int lwc_dup2(int fd, int wanted) {
  return static_cast<int>(call(SYS_dup2, fd, wanted));
}
int lwc_getpriority(int which, unsigned who) {
  const long result = call(SYS_getpriority, which, who);
  return static_cast<int>(result < 0 ? result : 20 - result);  // the kernel gives 1 to 40
}

int lwc_getentropy(void* to, Size size) {
  constexpr Size kMost = 256;
  if (size > kMost) {
    errno = EIO;
    return -1;
  }
  for (Size done = 0; done < size;) {
    const long got = call(SYS_getrandom, static_cast<char*>(to) + done, size - done, 0);
    if (got < 0 && errno != EINTR) {
      return -1;
    }
    done += got > 0 ? static_cast<Size>(got) : 0;
  }
  return 0;
}

int lwc_sigaction(int signal, const struct sigaction* action, struct sigaction* old) {
  using lwc::rollback::KernelSigaction;
  constexpr int kLibcsOwn[] = {32, 33};
  if (signal == kLibcsOwn[0] || signal == kLibcsOwn[1]) {
    errno = EINVAL;
    return -1;
  }
  KernelSigaction wanted{};
  KernelSigaction before{};
  if (action != nullptr) {
    wanted.handler = reinterpret_cast<void*>(action->sa_handler);
    wanted.flags = static_cast<unsigned>(action->sa_flags) | lwc::rollback::kSaRestorer;
    wanted.restorer = lwc_gate_restorer;
    wanted.mask = *reinterpret_cast<const std::uint64_t*>(&action->sa_mask);
  }
  long result = call(SYS_rt_sigaction, signal, action != nullptr ? &wanted : nullptr,
                     old != nullptr ? &before : nullptr, 8);
  if (result == 0 && old != nullptr) {
    *old = {};
    old->sa_handler = reinterpret_cast<void (*)(int)>(before.handler);
    old->sa_flags = static_cast<int>(before.flags & ~lwc::rollback::kSaRestorer);
    *reinterpret_cast<std::uint64_t*>(&old->sa_mask) = before.mask;
    old->sa_restorer = before.restorer;
  }
  return static_cast<int>(result);
}

namespace {

/// Starting a program shares memory with the new process for a moment, which cannot be done from
/// inside a trap: libc's own code runs unwatched, and everything that it may have changed is
/// compared when the request is undone.
class Unwatched {
 public:
  Unwatched() {
    using namespace lwc::rollback;
    if (g_state != nullptr && g_state->phase == Phase::Child) {
      g_state->journal.touched |= kTouchedChildren | kTouchedUnknownFds | kTouchedUnknownMaps |
                                  kTouchedHeap | kTouchedAllSignals | kTouchedMemoryUncounted;
      before_ = g_state->selector;
      g_state->selector = 0;
    }
  }
  ~Unwatched() {
    if (before_ != 0) {
      g_state->selector = before_;
    }
  }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;

 private:
  char before_ = 0;
};

template <typename Function>
Function* libc_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

char* lwc_getcwd(char* to, Size size) {
  static auto* const libc = libc_function<char*(char*, Size)>("getcwd");
  if (to == nullptr || size == 0) {
    return libc(to, size);
  }
  long length = call(SYS_getcwd, to, size);
  return length > 0 && to[0] == '/' ? to : libc(to, size);  // libc knows what to do about the rest
}

int lwc_system(const char* command) {
  static auto* const libc = libc_function<int(const char*)>("system");
  Unwatched unwatched;
  return libc(command);
}
FILE* lwc_popen(const char* command, const char* mode) {
  static auto* const libc = libc_function<FILE*(const char*, const char*)>("popen");
  Unwatched unwatched;
  return libc(command, mode);
}

using Spawn = int(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*,
                  char* const*, char* const*);

int lwc_posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                    const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  static auto* const libc = libc_function<Spawn>("posix_spawn");
  Unwatched unwatched;
  return libc(pid, path, actions, attributes, argv, envp);
}
int lwc_posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                     const posix_spawnattr_t* attributes, char* const* argv, char* const* envp) {
  static auto* const libc = libc_function<Spawn>("posix_spawnp");
  Unwatched unwatched;
  return libc(pid, file, actions, attributes, argv, envp);
}

// The linker marks both ends of a section with such a name.
extern "C" const lwc::rollback::Replacement __start_lwc_replacements[];  // NOLINT
extern "C" const lwc::rollback::Replacement __stop_lwc_replacements[];   // NOLINT

std::span<const lwc::rollback::Replacement> lwc::rollback::replacements() {
  return {__start_lwc_replacements, __stop_lwc_replacements};
}
