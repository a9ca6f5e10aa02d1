// SPDX-License-Identifier: Apache-2.0
#include "child_processes.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace lwc {
namespace {

void kill_listed_children() {
  // The list of the only thread there is; children of other threads were taken care of by whoever
  // made a thread.
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/task/%d/children", static_cast<int>(::gettid()));
  std::FILE* list = std::fopen(path, "re");
  if (list == nullptr) {
    return;
  }
  int pid = 0;
  while (std::fscanf(list, "%d", &pid) == 1) {
    ::kill(pid, SIGKILL);
  }
  std::fclose(list);
}

}  // namespace

// __WALL: also those that were made to end without a signal.
void kill_child_processes() {
  siginfo_t info{};
  if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0 && errno == ECHILD) {
    return;
  }
  kill_listed_children();
  while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
  }
}

}  // namespace lwc
