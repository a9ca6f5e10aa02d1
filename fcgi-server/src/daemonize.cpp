// SPDX-License-Identifier: Apache-2.0
#include "daemonize.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace lwc {

Result<UniqueFd> daemonize() {
  if (std::getenv("FPM_SOCKETS") != nullptr) {
    return UniqueFd();  // a reload: this process is the daemon already
  }
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return errno_error("cannot make a pipe");
  }
  UniqueFd reading(pipe[0]);
  UniqueFd writing(pipe[1]);
  pid_t pid = ::fork();
  if (pid < 0) {
    return errno_error("cannot fork the daemon");
  }
  if (pid > 0) {
    writing.reset();
    char good = 0;
    ::_exit(::read(reading.get(), &good, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
  }
  reading.reset();
  ::setsid();
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null.get(), fd);
  }
  return writing;
}

}  // namespace lwc
