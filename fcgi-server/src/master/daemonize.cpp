// SPDX-License-Identifier: Apache-2.0
#include "master/daemonize.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "config/command_line.hpp"

namespace lwc {

Result<UniqueFd> daemonize(const std::string& error_log) {
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
    if (::read(reading.get(), &good, 1) == 1) {
      ::_exit(EXIT_SUCCESS);
    }
    // The daemon has no terminal any more; whoever started it still looks at one.
    std::fprintf(stderr, "ERROR: FPM initialization failed; the log says why: %s\n",
                 error_log.c_str());
    ::_exit(config::kExitSoftware);
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
