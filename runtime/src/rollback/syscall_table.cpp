// SPDX-License-Identifier: Apache-2.0
#include <sys/syscall.h>

#include <array>

#include "syscall_watch.hpp"

namespace lwc::rollback {
namespace {

constexpr std::size_t kTableSize = 512;

// Change nothing that belongs to the process: they read, wait, or act on files and other processes.
constexpr int kNone[] = {
    SYS_poll,
    SYS_pread64,
    SYS_pwrite64,
    SYS_preadv,
    SYS_pwritev,
    SYS_stat,
    SYS_fstat,
    SYS_lstat,
    SYS_newfstatat,
    SYS_access,
    SYS_faccessat,
    SYS_sched_yield,
    SYS_mincore,
    SYS_msync,
    SYS_select,
    SYS_pause,
    SYS_nanosleep,
    SYS_getitimer,
    SYS_getpid,
    SYS_sendto,
    SYS_recvfrom,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_uname,
    SYS_fsync,
    SYS_fdatasync,
    SYS_truncate,
    SYS_ftruncate,
    SYS_getcwd,
    SYS_rename,
    SYS_renameat,
    SYS_mkdir,
    SYS_mkdirat,
    SYS_rmdir,
    SYS_link,
    SYS_linkat,
    SYS_unlink,
    SYS_unlinkat,
    SYS_symlink,
    SYS_symlinkat,
    SYS_readlink,
    SYS_readlinkat,
    SYS_chmod,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_chown,
    SYS_fchown,
    SYS_lchown,
    SYS_fchownat,
    SYS_mknod,
    SYS_mknodat,
    SYS_gettimeofday,
    SYS_getrlimit,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_times,
    SYS_getuid,
    SYS_getgid,
    SYS_geteuid,
    SYS_getegid,
    SYS_getppid,
    SYS_getpgrp,
    SYS_getpgid,
    SYS_getsid,
    SYS_getgroups,
    SYS_getresuid,
    SYS_getresgid,
    SYS_capget,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_rt_sigsuspend,
    SYS_utime,
    SYS_utimes,
    SYS_utimensat,
    SYS_futimesat,
    SYS_statfs,
    SYS_fstatfs,
    SYS_getpriority,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_sched_get_priority_max,
    SYS_sched_get_priority_min,
    SYS_sched_rr_get_interval,
    SYS_sync,
    SYS_syncfs,
    SYS_gettid,
    SYS_readahead,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_time,
    SYS_futex,
    SYS_sched_getaffinity,
    SYS_fallocate,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_wait4,
    SYS_waitid,
    SYS_pselect6,
    SYS_ppoll,
    SYS_get_robust_list,
    SYS_sync_file_range,
    SYS_timerfd_gettime,
    SYS_getcpu,
    SYS_getrandom,
    SYS_statx,
    SYS_kcmp,
    SYS_faccessat2,
    SYS_renameat2,
    SYS_restart_syscall,
    SYS_shmget,
    SYS_shmctl,
    SYS_semget,
    SYS_semctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_mq_unlink,
    SYS_mq_timedsend,
    SYS_mq_timedreceive,
    SYS_process_vm_readv,
    SYS_timer_gettime,
    SYS_timer_getoverrun,
    SYS_pidfd_send_signal,
    SYS_get_mempolicy,
    SYS_ioprio_get,
    SYS_sysfs,
    SYS_ustat,
};

constexpr int kMemory[] = {SYS_mmap,    SYS_munmap, SYS_mremap, SYS_mprotect, SYS_pkey_mprotect,
                           SYS_madvise, SYS_brk,    SYS_shmat,  SYS_shmdt};

constexpr int kDescriptor[] = {SYS_read,
                               SYS_write,
                               SYS_readv,
                               SYS_writev,
                               SYS_lseek,
                               SYS_getdents,
                               SYS_getdents64,
                               SYS_sendfile,
                               SYS_splice,
                               SYS_tee,
                               SYS_vmsplice,
                               SYS_copy_file_range,
                               SYS_open,
                               SYS_openat,
                               SYS_openat2,
                               SYS_creat,
                               SYS_close,
                               SYS_close_range,
                               SYS_dup,
                               SYS_dup2,
                               SYS_dup3,
                               SYS_fcntl,
                               SYS_flock,
                               SYS_ioctl,
                               SYS_pipe,
                               SYS_pipe2,
                               SYS_socket,
                               SYS_socketpair,
                               SYS_accept,
                               SYS_accept4,
                               SYS_connect,
                               SYS_bind,
                               SYS_listen,
                               SYS_shutdown,
                               SYS_setsockopt,
                               SYS_recvmsg,
                               SYS_recvmmsg,
                               SYS_epoll_create,
                               SYS_epoll_create1,
                               SYS_epoll_ctl,
                               SYS_eventfd,
                               SYS_eventfd2,
                               SYS_timerfd_create,
                               SYS_timerfd_settime,
                               SYS_signalfd,
                               SYS_signalfd4,
                               SYS_inotify_init,
                               SYS_inotify_init1,
                               SYS_inotify_add_watch,
                               SYS_inotify_rm_watch,
                               SYS_memfd_create,
                               SYS_pidfd_open,
                               SYS_mq_open,
                               SYS_preadv2,
                               SYS_pwritev2,
                               SYS_sendmsg,
                               SYS_sendmmsg,
                               SYS_epoll_wait,
                               SYS_epoll_pwait,
                               SYS_epoll_pwait2,
                               SYS_fadvise64,
                               SYS_mq_notify,
                               SYS_mq_getsetattr};

constexpr int kProcess[] = {SYS_chdir,
                            SYS_fchdir,
                            SYS_umask,
                            SYS_setitimer,
                            SYS_alarm,
                            SYS_timer_create,
                            SYS_timer_settime,
                            SYS_timer_delete,
                            SYS_rt_sigaction,
                            SYS_rt_sigprocmask,
                            SYS_setpriority,
                            SYS_setrlimit,
                            SYS_prlimit64,
                            SYS_sched_setaffinity,
                            SYS_sched_setparam,
                            SYS_sched_setscheduler,
                            SYS_sched_setattr,
                            SYS_ioprio_set,
                            SYS_prctl,
                            SYS_personality,
                            SYS_fork,
                            SYS_clone,
                            SYS_clone3,
                            SYS_vfork,
                            SYS_exit,
                            SYS_exit_group,
                            SYS_execve,
                            SYS_execveat,
                            SYS_set_tid_address,
                            SYS_kill,
                            SYS_tkill,
                            SYS_tgkill,
                            SYS_membarrier};

constexpr std::array<Concern, kTableSize> make_table() {
  std::array<Concern, kTableSize> table{};
  for (int number : kNone) {
    table[static_cast<std::size_t>(number)] = Concern::None;
  }
  for (int number : kMemory) {
    table[static_cast<std::size_t>(number)] = Concern::Memory;
  }
  for (int number : kDescriptor) {
    table[static_cast<std::size_t>(number)] = Concern::Descriptor;
  }
  for (int number : kProcess) {
    table[static_cast<std::size_t>(number)] = Concern::Process;
  }
  return table;
}

constexpr std::array<Concern, kTableSize> kTable = make_table();

}  // namespace

Concern concern_of(long number) {
  return number >= 0 && number < static_cast<long>(kTableSize)
             ? kTable[static_cast<std::size_t>(number)]
             : Concern::Unknown;
}

long watched_call(State& state, const Call& call) {
  if (state.phase == Phase::Idle || state.undoing) {
    return make(call);
  }
  switch (concern_of(call.number)) {
    case Concern::None:
      break;
    case Concern::Memory:
      return watch_memory_call(state, call);
    case Concern::Descriptor:
      return watch_descriptor_call(state, call);
    case Concern::Process:
      if (state.phase == Phase::Child || call.number == SYS_rt_sigaction) {
        return watch_process_call(state, call);
      }
      break;
    case Concern::Unknown:
      state.journal.taint("system call", call.number);
      break;
  }
  return make(call);
}

}  // namespace lwc::rollback
