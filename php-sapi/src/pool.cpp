// SPDX-License-Identifier: Apache-2.0
// The life of a pool's base template and of its children.
#include <unistd.h>

#include <cstdlib>

#include "early_start.hpp"
#include "ini.hpp"
#include "lwc/php/interpreter.hpp"
#include "messages.hpp"
#include "modules.hpp"
#include "php.hpp"
#include "request.hpp"
#include "sapi_module.hpp"
#include "warmup.hpp"

namespace lwc::php {

[[noreturn]] void run_pool(const PoolOptions& options, Engine& engine, Server& server, Host& host) {
  pool() = {&options, &engine, &server, &host};
  for (const auto& [name, value] : options.env) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  enter_serving();
  apply_pool_ini(options);
  find_modules();
  for (;;) {
    if (engine.discards_children()) {
      start_early();
    }
    const Result<Job> job = engine.hold(server, HoldOptions{});
    if (!job) {
      log(LogLevel::Alert, "The base snapshot could not be taken: %s", job.error().message.c_str());
      ::_exit(70);
    }
    if (job->kind == Job::Kind::Serve) {
      serve(*job);
    } else {
      forget_early_start();
      prepare(*job);
    }
    engine.end_child();
  }
}

}  // namespace lwc::php
