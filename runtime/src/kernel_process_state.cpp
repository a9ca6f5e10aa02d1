// SPDX-License-Identifier: Apache-2.0
#include "kernel_process_state.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lwc/raw.h"

namespace lwc {
namespace {

bool is_off(const itimerval& timer) {
  return timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0;
}

}  // namespace

void KernelProcessState::capture() {
  for (int i = 0; i < static_cast<int>(limits_.size()); ++i) {
    ::prlimit(0, static_cast<__rlimit_resource>(i), nullptr, &limits_[static_cast<std::size_t>(i)]);
  }
  priority_ = ::getpriority(PRIO_PROCESS, 0);
  ::sched_getaffinity(0, sizeof affinity_, &affinity_);
  timer_slack_ = ::prctl(PR_GET_TIMERSLACK);
  ::prctl(PR_GET_PDEATHSIG, &parent_death_);
  ::prctl(PR_GET_NAME, name_.data());
  oom_score_adj_.reset(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  if (::pread(oom_score_adj_.get(), oom_score_.data(), oom_score_.size() - 1, 0) <= 0) {
    oom_score_adj_.reset();  // in a chroot without /proc nobody changes it either
  }
}

void KernelProcessState::note(const lwc_regs& regs) {
  switch (static_cast<long>(regs.orig_ax)) {
    case SYS_prctl:
      note_prctl(regs.di);
      break;
    case SYS_setpriority:
      priority_touched_ = true;
      break;
    case SYS_prlimit64:
      limits_touched_ = limits_touched_ || regs.dx != 0;  // else it only asks
      break;
    case SYS_setrlimit:
      limits_touched_ = true;
      break;
    case SYS_sched_setaffinity:
      affinity_touched_ = true;
      break;
    case SYS_personality:
      if (static_cast<std::uint32_t>(regs.di) != 0xffffffff) {  // else it only asks
        taint("personality");
      }
      break;
    case SYS_setsid:
    case SYS_setpgid:
      taint("session or process group");
      break;
    case SYS_timer_create:
      taint("POSIX timer");
      break;
    case SYS_sched_setparam:
    case SYS_sched_setattr:
    case SYS_sched_setscheduler:
    case SYS_ioprio_set:
      taint("scheduling");
      break;
    case SYS_semop:
    case SYS_semtimedop:
      semaphores_touched_ = true;
      break;
    case SYS_set_mempolicy:
      taint("memory policy");
      break;
    case SYS_clone:
      has_forked_ = has_forked_ || (regs.di & CLONE_THREAD) == 0;
      break;
    case SYS_fork:
    case SYS_vfork:
      has_forked_ = true;
      break;
    default:
      break;
  }
}

void KernelProcessState::note_prctl(std::uint64_t option) {
  switch (option) {
    case PR_SET_NAME:  // looked at in any case
    case PR_SET_TIMERSLACK:
    case PR_GET_NAME:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_GET_TIMERSLACK:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_SECCOMP:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECUREBITS:
    case PR_GET_THP_DISABLE:
    case PR_CAPBSET_READ:
    case PR_SET_VMA:  // names of mappings
      break;
    case PR_SET_PDEATHSIG:
      parent_death_touched_ = true;
      break;
    default:
      taint("prctl(2)");
  }
}

void KernelProcessState::taint(std::string_view what) {
  taint_ = what;
}

std::string_view KernelProcessState::restore() {
  for (const auto which : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    itimerval timer{};
    if (::getitimer(which, &timer) == 0 && !is_off(timer)) {
      timer = itimerval{};
      ::setitimer(which, &timer, nullptr);
    }
  }
  restore_what_files_in_proc_change();
  if (limits_touched_ && !restore_limits()) {
    taint("resource limits");
  }
  if (priority_touched_ && ::getpriority(PRIO_PROCESS, 0) != priority_ &&
      ::setpriority(PRIO_PROCESS, 0, priority_) != 0) {
    taint("priority");
  }
  if (affinity_touched_ && ::sched_setaffinity(0, sizeof affinity_, &affinity_) != 0) {
    taint("CPU affinity");
  }
  if (parent_death_touched_) {
    ::prctl(PR_SET_PDEATHSIG, parent_death_);
  }
  if (semaphores_touched_) {
    ::unshare(CLONE_SYSVSEM);  // undoes them as exit() would
  }
  limits_touched_ = priority_touched_ = affinity_touched_ = parent_death_touched_ =
      semaphores_touched_ = has_forked_ = false;
  return taint_;
}

bool KernelProcessState::restore_limits() const {
  return std::all_of(limits_.begin(), limits_.end(), [&](const rlimit& wanted) {
    const auto which = static_cast<__rlimit_resource>(&wanted - limits_.data());
    rlimit now{};
    ::prlimit(0, which, nullptr, &now);
    return (now.rlim_cur == wanted.rlim_cur && now.rlim_max == wanted.rlim_max) ||
           ::prlimit(0, which, &wanted, nullptr) == 0;
  });
}

// These are written as files, too, and then no system call tells of them.
void KernelProcessState::restore_what_files_in_proc_change() {
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data());
  if (name != name_) {
    ::prctl(PR_SET_NAME, name_.data());
  }
  if (::prctl(PR_GET_TIMERSLACK) != timer_slack_) {
    ::prctl(PR_SET_TIMERSLACK, timer_slack_);
  }
  if (!oom_score_adj_) {
    return;
  }
  std::array<char, 8> score{};
  ::pread(oom_score_adj_.get(), score.data(), score.size() - 1, 0);
  if (score != oom_score_ &&
      ::pwrite(oom_score_adj_.get(), oom_score_.data(), std::strlen(oom_score_.data()), 0) < 0) {
    taint("oom_score_adj");
  }
}

}  // namespace lwc
