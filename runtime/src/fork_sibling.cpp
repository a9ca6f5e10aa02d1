// SPDX-License-Identifier: Apache-2.0
#include "fork_sibling.hpp"

#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>

namespace lwc {

pid_t fork_sibling() {
  // glibc has no fork() with flags. What its own fork renews for the calling thread is done here:
  // the thread id that libc keeps (the kernel writes it to the address that libc registered) and
  // the robust-futex list.
  int* tid_address = nullptr;
  if (::prctl(PR_GET_TID_ADDRESS, &tid_address) != 0) {
    return -1;
  }
  void* robust_list = nullptr;
  std::size_t robust_size = 0;
  ::syscall(SYS_get_robust_list, 0, &robust_list, &robust_size);
  long pid =
      ::syscall(SYS_clone, CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
                nullptr, nullptr, tid_address, nullptr);
  if (pid == 0 && robust_list != nullptr) {
    ::syscall(SYS_set_robust_list, robust_list, robust_size);
  }
  return static_cast<pid_t>(pid);
}

}  // namespace lwc
