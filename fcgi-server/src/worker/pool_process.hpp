// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/config.hpp"
#include "config/identity.hpp"
#include "log_channel.hpp"
#include "lwc/engine.hpp"
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
  int priority;  ///< nice value of all the pool's processes
};

/// Who serves the pool's requests. Root only where that is allowed.
Result<Identity> pool_identity(const config::PoolConfig& pool);

/// Whether pools on this engine can have a lwc.memory_limit, or why not.
Status can_limit_memory(const Engine& engine);

/// The life of a pool's base template, in a process just forked from the master: limits, user,
/// directories, environment, ini settings, then the engine. Never returns. What goes wrong is told
/// to the master over `control`.
[[noreturn]] void run_base_template(const PoolProcess& process, UniqueFd control);

}  // namespace lwc
