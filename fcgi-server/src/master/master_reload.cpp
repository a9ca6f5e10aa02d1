// SPDX-License-Identifier: Apache-2.0
// Reload: the master executes itself, with the sockets that it listens on and the workers that it
// has.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "log.hpp"
#include "log/logger.hpp"
#include "master/master.hpp"
#include "master/service_manager.hpp"

namespace lwc {
namespace {

constexpr std::size_t kMostToTell = 1 << 16;          // bytes at a time
constexpr std::int64_t kSettleLimit = 2'000'000'000;  // ns; for templates to tell all

std::string quoted(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& one : arguments) {
    text += (text.empty() ? "\"" : ", \"") + one + "\"";
  }
  return text;
}

void exec_self(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& one : arguments) {
    argv.push_back(const_cast<char*>(one.c_str()));
  }
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
}

}  // namespace

// The configuration that the successor will read is read now, by a process of its own: a mistake in
// it must not cost the service. What that process says of a good one would be no news in the log:
// the successor says it, too.
bool Master::new_configuration_is_good() {
  const UniqueFd said(::memfd_create("lwc-fpm -t", MFD_CLOEXEC));
  const pid_t pid = ::fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::dup2(said.get(), STDERR_FILENO);
    std::vector<std::string> arguments = options_.arguments;
    arguments.emplace_back("-t");
    exec_self(arguments);
    ::_exit(127);
  }
  int status = 0;
  const bool good =
      pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!good) {
    std::array<char, kMostToTell> text;
    const ssize_t size = ::pread(said.get(), text.data(), text.size(), 0);
    [[maybe_unused]] ssize_t told = ::write(STDERR_FILENO, text.data(), std::max<ssize_t>(size, 0));
  }
  return good;
}

void Master::reload() {
  if (state_ >= State::Finishing) {
    return;
  }
  if (!new_configuration_is_good()) {
    log::error(
        "", "the new configuration is not good (see lwc-fpm -t): still running with the old one");
    return;
  }
  Handover handover;
  const std::int64_t deadline = monotonic_ns() + kSettleLimit;
  for (const auto& pool : pools_) {
    pool->settle(deadline);
    pool->hand_over(handover);
  }
  old_.hand_over(handover);
  handover.sockets.insert(handover.sockets.end(), unclaimed_.begin(), unclaimed_.end());
  handover.log = log_.fds();
  service_manager::reloading();
  handover.to_environment();
  log::notice("", "reloading: execvp(\"" + options_.arguments[0] + "\", {" +
                      quoted(options_.arguments) + "})");
  const log::OriginalStderr for_successor(log::logger());
  exec_self(options_.arguments);
  log::error("", errno_error("failed to reload: execvp() failed").message);
  ::exit(EXIT_FAILURE);
}

}  // namespace lwc
