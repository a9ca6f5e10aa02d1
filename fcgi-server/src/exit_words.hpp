// SPDX-License-Identifier: Apache-2.0
// How the log tells that a process has ended, in php-fpm's words.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace lwc {

/// "on signal 11 (SIGSEGV)".
std::string describe_signal(int signal);
/// How a process ended, of waitpid()'s status: "with code 1", "on signal 11 (SIGSEGV - core
/// dumped)".
std::string describe_status(int status);
/// "0.250000".
std::string describe_seconds(std::int64_t ns);
/// "child 4711 HOW after 0.250000 seconds from start".
std::string describe_exit(pid_t child, const std::string& how, std::int64_t lived_ns);

}  // namespace lwc
