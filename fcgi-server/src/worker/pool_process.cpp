// SPDX-License-Identifier: Apache-2.0
#include "worker/pool_process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "limits.hpp"
#include "log.hpp"
#include "log/logger.hpp"
#include "lwc/engine.hpp"
#include "lwc/engine_traits.hpp"
#include "lwc/php/interpreter.hpp"
#include "lwc/template.hpp"
#include "process_title.hpp"
#include "wipe_freed.hpp"
#include "worker/apparmor.hpp"
#include "worker/child_host.hpp"
#include "worker/worker.hpp"

namespace lwc {
namespace {

Status set_priority(const config::PoolConfig& pool) {
  if (pool.process_priority != config::kPriorityUnset && ::geteuid() == 0 &&
      ::setpriority(PRIO_PROCESS, 0, pool.process_priority) != 0) {
    return errno_error("cannot set process.priority to " + std::to_string(pool.process_priority));
  }
  return ok();
}

Status change_directories(const config::PoolConfig& pool) {
  if (pool.chroot && !pool.chroot->empty() && ::geteuid() == 0) {
    if (::chroot(pool.chroot->c_str()) != 0) {
      return errno_error("cannot chroot to '" + *pool.chroot + "'");
    }
    if (!pool.chdir && ::chdir("/") != 0) {
      return errno_error("cannot chdir to '/'");
    }
  }
  if (pool.chdir && !pool.chdir->empty() && ::chdir(pool.chdir->c_str()) != 0) {
    return errno_error("cannot chdir to '" + *pool.chdir + "'");
  }
  return ok();
}

Status change_user(const config::PoolConfig& pool, const Identity& who) {
  if (::geteuid() != 0) {
    return ok();
  }
  const gid_t gid = who.gid.value_or(0);
  const uid_t uid = who.uid.value_or(0);
  if ((gid != 0 && ::setgid(gid) != 0) ||
      (uid != 0 && (::initgroups(who.account.c_str(), gid) != 0 || ::setuid(uid) != 0))) {
    return errno_error("cannot become user '" + pool.user.value_or("") + "'");
  }
  if (pool.process_dumpable) {
    ::prctl(PR_SET_DUMPABLE, 1);
  }
  return ok();
}

void set_environment(const config::PoolConfig& pool, const Identity& who) {
  // A value "$NAME" means the daemon's own variable, so look those up before they are cleared.
  std::vector<std::pair<std::string, std::string>> values;
  if (!who.name.empty()) {
    values.emplace_back("USER", who.name);
    values.emplace_back("HOME", who.home);
  }
  for (const config::KeyValue& one : pool.env) {
    if (one.value.starts_with("$")) {
      const char* own = std::getenv(one.value.c_str() + 1);
      values.emplace_back(one.key, own != nullptr ? own : "");
    } else {
      values.emplace_back(one.key, one.value);
    }
  }
  if (pool.clear_env) {
    ::clearenv();
  }
  for (const auto& [name, value] : values) {
    ::setenv(name.c_str(), value.c_str(), 1);
  }
}

php::LogLevel php_level(log::Level level) {
  switch (level) {
    case log::Level::Debug:
      return php::LogLevel::Debug;
    case log::Level::Notice:
      return php::LogLevel::Notice;
    case log::Level::Warning:
      return php::LogLevel::Warning;
    case log::Level::Error:
      return php::LogLevel::Error;
    case log::Level::Alert:
      break;
  }
  return php::LogLevel::Alert;
}

php::PoolOptions php_options(const config::PoolConfig& pool) {
  php::PoolOptions options;
  for (const config::KeyValue& one : pool.php_values) {
    options.ini.push_back({one.key, one.value, false});
  }
  for (const config::KeyValue& one : pool.php_admin_values) {
    options.ini.push_back({one.key, one.value, true});
  }
  options.limit_extensions = pool.limit_extensions;
  options.snapshot_params = pool.lwc_snapshot_params;
  options.allow_fds = pool.lwc_snapshot_allow_fds;
  options.snapshots = pool.lwc_snapshots;
  options.log_limit = log::logger().settings().limit;
  options.log_level = php_level(log::logger().settings().level);
  return options;
}

status::PageOptions page_options(const config::PoolConfig& pool) {
  return {pool.pm_status_path.value_or(""), pool.ping_path.value_or(""),
          pool.ping_response.value_or("")};
}

/// An address that is none lets nobody in: a mistake must not open the pool.
std::optional<std::vector<PeerAddress>> allowed_clients(const config::PoolConfig& pool,
                                                        std::vector<std::string>& complaints) {
  if (pool.listen_is_unix || !pool.listen_allowed_clients) {
    return std::nullopt;
  }
  std::vector<PeerAddress> allowed;
  const std::string& text = *pool.listen_allowed_clients;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find_first_of(", ", begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (std::optional<PeerAddress> address = peer_address(word)) {
      allowed.push_back(*address);
    } else if (!word.empty()) {
      complaints.push_back("Wrong IP address '" + word + "' in listen.allowed_clients");
    }
    begin = end + 1;
  }
  if (allowed.empty()) {
    complaints.emplace_back("There are no allowed addresses");
  }
  return allowed;
}

WorkerOptions worker_options(const config::PoolConfig& pool) {
  WorkerOptions options;
  options.pool = pool.name;
  options.snapshot_params = pool.lwc_snapshot_params;
  options.terminate_timeout = std::chrono::seconds(pool.request_terminate_timeout);
  options.track_finished = pool.request_terminate_timeout_track_finished;
  options.max_requests = static_cast<std::uint64_t>(pool.pm_max_requests);
  options.snapshots = pool.lwc_snapshots;
  options.memory_limit = pool.lwc_memory_limit;
  options.catch_output = pool.catch_workers_output;
  options.status_path = pool.pm_status_path.value_or("");
  options.ping_path = pool.ping_path.value_or("");
  options.allowed_clients = allowed_clients(pool, options.complaints);
  if (!options.catch_output) {
    // A worker's words would be lost, and with them why nobody gets in.
    std::for_each(options.complaints.begin(), options.complaints.end(), worker_error);
    options.complaints.clear();
  }
  return options;
}

AccessOptions access_options(const config::PoolConfig& pool, int fd, const PoolBoard& board) {
  AccessOptions options;
  if (fd < 0 || !pool.access_format) {
    return options;
  }
  // load() has refused a format that is none.
  if (Result<log::AccessFormat> format = log::AccessFormat::parse(*pool.access_format)) {
    options.format = std::move(*format);
  }
  options.suppress = pool.access_suppress_path;
  options.fd = fd;
  options.generation = board.log_generation.load();
  return options;
}

[[noreturn]] void give_up(const UniqueFd& control, const std::string& why) {
  report_failure(control.get(), why);
  ::_exit(EXIT_FAILURE);
}

void reset_signals() {
  for (int signal : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, SIGHUP}) {
    ::signal(signal, SIG_DFL);
  }
  ::signal(SIGQUIT, SIG_IGN);  // a template ends when its control closes
  ::signal(SIGINT, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Status can_limit_memory(const Engine& engine) {
  return engine.limits_memory() ? ok()
                                : Status(Error{"lwc.memory_limit needs engine 'kernel'; this is '" +
                                               std::string(engine.name()) + "'"});
}

// Without root's rights nobody else can be chosen.
Result<Identity> pool_identity(const config::PoolConfig& pool) {
  if (::geteuid() != 0) {
    return own_identity();
  }
  Result<Identity> who = find_identity(pool.user, pool.group);
  if (who && !pool.allow_root && (who->uid.value_or(0) == 0 || who->gid.value_or(0) == 0)) {
    return Error{"please specify user and group other than root"};
  }
  return who;
}

void run_base_template(const PoolProcess& process, UniqueFd control) {
  const config::PoolConfig& pool = process.pool;
  PoolBoard& board = process.board;
  LogChannel& log = process.log;
  wipe_freed_memory(false);
  const pid_t master = ::getppid();
  set_process_title("pool " + pool.name + ", base template");
  reset_signals();
  log::logger().forget_files();
  // Two descriptors for one end: one for the engine, one to say why there is none.
  UniqueFd voice(::fcntl(control.get(), F_DUPFD_CLOEXEC, 3));
  Result<Identity> who = pool_identity(pool);
  if (!who) {
    give_up(voice, who.error().message);
  }
  set_environment(pool, *who);
  if (Status limited = set_limits(pool.rlimit_files, pool.rlimit_core); !limited) {
    log.send(php::LogLevel::Error, pool.name, limited.error().message);  // goes on, as php-fpm
  }
  for (Status (*step)(const config::PoolConfig&) : {set_priority, change_directories}) {
    if (Status done = step(pool); !done) {
      give_up(voice, done.error().message);
    }
  }
  // Where the pool runs: in a chroot there may be no /proc, which some engines need.
  EngineChoice choice;
  Result<std::unique_ptr<Engine>> engine = make_engine(process.engine, std::move(control), &choice);
  if (!engine) {
    give_up(voice, engine.error().message);
  }
  if (pool.lwc_memory_limit != 0) {
    if (Status able = can_limit_memory(**engine); !able) {
      give_up(voice, able.error().message);
    }
  }
  if (Status opened = (*engine)->acquire_privileges(); !opened) {
    give_up(voice, opened.error().message);
  }
  if (Status changed = change_user(pool, *who); !changed) {
    give_up(voice, changed.error().message);
  }
  if (const std::string hat = pool.apparmor_hat.value_or(""); !hat.empty()) {
    if (Status entered = enter_apparmor_hat(hat); !entered) {
      give_up(voice, entered.error().message);
    }
  }
  const bool passed_over = !choice.passed_over.empty();
  // That a kernel has no light-weight contexts is no news; that only the last resort is left is.
  const bool news = passed_over && (*engine)->name() == portable_engine();
  log.send(news ? php::LogLevel::Notice : php::LogLevel::Debug, pool.name,
           "snapshot engine: " + std::string((*engine)->name()) + ", " + choice.detail +
               (passed_over ? ". Not chosen: " + choice.passed_over : ""));
  set_text(board.engine, (*engine)->name());
  voice.reset();
  // These live as long as the process and everything forked from it.
  WorkerOptions options = worker_options(pool);
  options.access = access_options(pool, process.access_fd, board);
  options.access.master = master;
  options.shown_board = &process.shown_board;
  if ((*engine)->discards_children()) {
    options.priority = process.priority;
  }
  auto* worker = new Worker(std::move(options), process.listen_fd, board, log);
  auto* host =
      new ChildHost(*worker, **engine, status::Pages(page_options(pool), process.shown_board), log);
  reset_signals();  // libfcgi has put in handlers of its own for SIGTERM and SIGUSR1
  php::run_pool(php_options(pool), **engine, *worker, *host);
}

}  // namespace lwc
