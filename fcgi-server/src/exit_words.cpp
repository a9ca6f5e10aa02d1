// SPDX-License-Identifier: Apache-2.0
#include "exit_words.hpp"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace lwc {
namespace {

std::string on_signal(int signal, const char* dumped) {
  const char* name = ::sigabbrev_np(signal);
  return "on signal " + std::to_string(signal) + " (SIG" + (name != nullptr ? name : "?") + dumped +
         ")";
}

}  // namespace

std::string describe_signal(int signal) {
  return on_signal(signal, "");
}

std::string describe_status(int status) {
  return WIFEXITED(status) ? "with code " + std::to_string(WEXITSTATUS(status))
                           : on_signal(WTERMSIG(status), WCOREDUMP(status) ? " - core dumped" : "");
}

std::string describe_seconds(std::int64_t ns) {
  const std::int64_t us = ns / 1000;
  std::array<char, 64> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%lld.%06lld",
                static_cast<long long>(us / 1'000'000), static_cast<long long>(us % 1'000'000));
  return seconds.data();
}

std::string describe_exit(pid_t child, const std::string& how, std::int64_t lived_ns) {
  return "child " + std::to_string(child) + " " + how + " after " + describe_seconds(lived_ns) +
         " seconds from start";
}

}  // namespace lwc
