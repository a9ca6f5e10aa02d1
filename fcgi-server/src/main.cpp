// SPDX-License-Identifier: Apache-2.0
// From the command line to a running master.
#include <csignal>
#include <cstdio>
#include <string>

#include "config/command_line.hpp"
#include "config/config.hpp"
#include "log.hpp"
#include "lwc/engine.hpp"
#include "lwc/php/interpreter.hpp"
#include "master/daemonize.hpp"
#include "master/master.hpp"
#include "master/service_manager.hpp"
#include "process_title.hpp"
#include "wipe_freed.hpp"
#include "worker/pool_process.hpp"

namespace {

using namespace lwc;

php::StartOptions start_options(const config::CommandLine& command_line) {
  return {command_line.ini_path.value_or(""), command_line.ignore_ini, command_line.ini_entries,
          command_line.extended_info, [](const char* text) { log::notice("", text); }};
}

config::Informers informers(const config::CommandLine& command_line) {
  config::Informers with_php;
  php::StartOptions options = start_options(command_line);
  with_php.info = [options] {
    return php::start(options) ? php::print_info() : config::kExitSoftware;
  };
  with_php.modules = [options] {
    return php::start(options) ? php::print_modules() : config::kExitSoftware;
  };
  with_php.version = [options] {
    return php::start(options) ? php::version_text() : std::string();
  };
  return with_php;
}

void say(log::Level level, std::string_view text) {
  log::write(level, "", text);
}

bool start_php(const config::CommandLine& command_line) {
  const Status started = php::start(start_options(command_line));
  if (!started) {
    log::error("", started.error().message);
  }
  return static_cast<bool>(started);
}

Status engine_works(std::string_view name, bool limits_memory) {
  const Result<std::unique_ptr<Engine>> engine = make_engine(name, UniqueFd());
  if (!engine) {
    return engine.error();
  }
  return limits_memory ? can_limit_memory(**engine) : ok();
}

int run(const config::CommandLine& command_line, const config::Options& options,
        MasterOptions master) {
  if (!start_php(command_line)) {
    return config::kExitSoftware;
  }
  // Before there are secrets of pools.
  if (Status shared = share_memory(); !shared) {
    log::error("", shared.error().message);
    return config::kExitSoftware;
  }
  config::Options loading = options;
  loading.open_error_log = [&](const config::GlobalConfig& global) {
    return log::open(global, command_line.force_stderr);
  };
  Result<config::Config> config = config::load(loading);
  if (!config) {
    log::error("", "FPM initialization failed");
    return config::kExitConfig;
  }
  config::tell_privileges(*config, say);
  if (config->global.daemonize) {
    Result<UniqueFd> startup = daemonize(config->global.error_log);
    if (!startup) {
      log::error("", startup.error().message);
      return config::kExitSoftware;
    }
    master.startup = std::move(*startup);
  }
  set_process_title("master process (" + config->path + ")");
  return Master(std::move(*config), std::move(master)).run();
}

// A rotation or a reload that is asked for before the master can listen is done then; by itself
// such a signal would end the daemon.
void hold_signals_back() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

// Without memory for a string there is nothing to start.
int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape)
  hold_signals_back();
  wipe_freed_memory(true);  // pools turn it off for themselves, before they serve
  config::CommandLine command_line = config::parse_command_line(argc, argv);
  if (std::optional<int> done = config::carry_out(command_line, informers(command_line))) {
    return *done;
  }
  config::Options options = config::to_options(command_line);
  options.sink = say;
  options.constant = php::constant_value;
  options.ini_value = php::ini_file_value;
  if (command_line.action == config::Action::Test) {
    options.engine_works = engine_works;
    return start_php(command_line) ? config::test_configuration(command_line, options)
                                   : config::kExitSoftware;
  }
  Result<std::vector<InheritedSocket>> sockets = service_manager::take_sockets();
  if (!sockets) {
    log::error("", sockets.error().message);
    return config::kExitConfig;
  }
  MasterOptions master;
  master.sockets = std::move(*sockets);
  master.arguments.assign(argv, argv + argc);
  reserve_process_title(argc, argv);
  return run(command_line, options, std::move(master));
}
