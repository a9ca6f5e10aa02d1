// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/config.hpp"
#include "log_channel.hpp"
#include "lwc/unique_fd.hpp"
#include "scoreboard.hpp"

namespace lwc {

struct PoolProcess {
  const config::PoolConfig& pool;
  const std::string& engine;
  int listen_fd;
  int access_fd;
  PoolBoard& board;
  PoolBoard& shown_board;  ///< what its status page is about; another pool's for pm.status_listen
  LogChannel& log;
};

/// The life of a pool's base template, in a process just forked from the master: limits, user,
/// directories, environment, ini settings, then the engine. Never returns. What goes wrong is told
/// to the master over `control`.
[[noreturn]] void run_base_template(const PoolProcess& process, UniqueFd control);

/// "with code 1", "on signal 11 (SIGSEGV - core dumped)": the middle of php-fpm's line about an
/// ended child.
std::string describe_status(int status);

}  // namespace lwc
