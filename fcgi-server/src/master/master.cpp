// SPDX-License-Identifier: Apache-2.0
#include "master/master.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "limits.hpp"
#include "log.hpp"
#include "log/logger.hpp"
#include "lwc/engine.hpp"
#include "master/service_manager.hpp"
#include "worker/pool_process.hpp"

namespace lwc {
namespace {

constexpr int kTickMs = 1000;

}  // namespace

Master::Master(config::Config config, MasterOptions options)
    : config_(std::move(config)),
      options_(std::move(options)),
      limit_{config_.global.process_max},
      emergency_(config_.global.emergency_restart_threshold,
                 config_.global.emergency_restart_interval) {}

int Master::run() {
  if (Status started = start(); !started) {
    log::error("", started.error().message);
    log::error("", "FPM initialization failed");
    for (const auto& pool : pools_) {
      pool->signal_all(SIGKILL);
    }
    return 78;  // EX_CONFIG, as php-fpm
  }
  loop();
  if (config_.global.pid) {
    ::unlink(config_.global.pid->c_str());
  }
  log::notice("", "exiting, bye-bye!");
  return exit_status_;
}

Status Master::block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD}) {
    sigaddset(&set, signal);
  }
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  return signals_ ? ok() : Status{errno_error("cannot receive signals")};
}

Status Master::start() {
  ::prctl(PR_SET_CHILD_SUBREAPER,
          1);  // what a killed worker's children leave behind comes here to be reaped
  if (Status blocked = block_signals(); !blocked) {
    return blocked;
  }
  Handover handover = Handover::from_environment();
  Result<LogChannel> channel =
      handover.log.size() == 2 ? LogChannel::adopt(handover.log) : LogChannel::make();
  if (!channel) {
    return channel.error();
  }
  log_ = std::move(*channel);
  if (Status limited = limit_master(); !limited) {
    return limited;
  }
  if (Status known = check_users(); !known) {
    return known;
  }
  if (Status opened = open_sockets(handover.sockets); !opened) {
    return opened;
  }
  old_ = OldWorkers(std::move(handover));
  if (Status written = write_pid(); !written) {
    if (old_.empty()) {
      return written;
    }
    log::error("", written.error().message);  // a reload: those who are served matter more
  }
  log::launched();
  log::notice("", "fpm is running, pid " + std::to_string(::getpid()));
  return start_pools();
}

Status Master::limit_master() const {
  const config::GlobalConfig& global = config_.global;
  if (Status set = set_limits(global.rlimit_files, global.rlimit_core); !set) {
    return set;
  }
  if (global.process_priority != config::kPriorityUnset && ::geteuid() == 0 &&
      ::setpriority(PRIO_PROCESS, 0, global.process_priority) != 0) {
    return errno_error("Unable to set priority for the master process");
  }
  return ok();
}

Status Master::start_pools() {
  for (const auto& pool : pools_) {
    if (Status made = pool->make_board(); !made) {
      return made;
    }
  }
  for (const auto& pool : pools_) {
    const std::optional<std::string>& shown = pool->config().status_of;
    auto of = std::find_if(pools_.begin(), pools_.end(),
                           [&](const auto& one) { return one->config().name == shown; });
    if (Status started = pool->start(
            of != pools_.end() ? &(*of)->board() : nullptr,
            {[this] { return private_fds(); }, [this](const Pool& own) { forget_all_but(own); }});
        !started) {
      return started;
    }
  }
  return ok();
}

// In the process of a pool: an attacker there has no other pool's secrets to look for.
void Master::forget_all_but(const Pool& own) {
  for (const auto& pool : pools_) {
    if (pool.get() != &own) {
      pool->forget(own.shown());
    }
  }
  config_ = {};
}

// What no other process is to have of what is open here.
std::vector<int> Master::private_fds() const {
  std::vector<int> fds{signals_.get(), log_.master_fd(), options_.startup.get()};
  for (const auto& pool : pools_) {
    const std::vector<int> of_pool = pool->all_fds();
    fds.insert(fds.end(), of_pool.begin(), of_pool.end());
  }
  for (const InheritedSocket& one : unclaimed_) {
    fds.push_back(one.fd);
  }
  const std::vector<int> of_old = old_.fds();
  fds.insert(fds.end(), of_old.begin(), of_old.end());
  return fds;
}

Status Master::open_sockets(const std::vector<InheritedSocket>& handed_over) {
  std::vector<InheritedSocket> sockets = std::move(options_.sockets);
  sockets.insert(sockets.end(), handed_over.begin(), handed_over.end());
  for (const InheritedSocket& one : sockets) {
    log::notice(
        "", "using inherited socket fd=" + std::to_string(one.fd) + ", \"" + one.address + "\"");
  }
  for (const config::PoolConfig& pool : config_.pools) {
    Result<Listener> listener = open_listener(pool, sockets);
    if (!listener) {
      return listener.error();
    }
    if (!engine_isolates(pool.lwc_engine)) {
      log::warning(pool.name, "lwc.engine = " + pool.lwc_engine +
                                  ": requests are NOT isolated from each other. For measuring "
                                  "only, never in production");
    }
    pools_.push_back(
        std::make_unique<Pool>(pool, std::move(*listener), log_, limit_, pool.lwc_engine));
  }
  for (InheritedSocket& unused : sockets) {
    if (unused.fd < 0) {
      continue;
    }
    if (!unused.activated) {
      ::close(unused.fd);  // of a pool that the new configuration does not have
      if (unused.address.starts_with('/')) {
        ::unlink(unused.address.c_str());
      }
      continue;
    }
    log::warning("", "nobody serves '" + unused.address + "', a socket that systemd passed as '" +
                         unused.name + "': no pool has it as its listen, or that name");
    unclaimed_.push_back(std::move(unused));
  }
  return ok();
}

// Before anything is opened, as php-fpm does.
Status Master::check_users() const {
  for (const config::PoolConfig& pool : config_.pools) {
    if (const Result<Identity> who = pool_identity(pool); !who) {
      return Error{"[pool " + pool.name + "] " + who.error().message};
    }
  }
  return ok();
}

Status Master::write_pid() const {
  if (!config_.global.pid) {
    return ok();
  }
  const std::string& path = *config_.global.pid;
  ::unlink(path.c_str());
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) {
    const int errnum = errno;
    return Error{"Unable to create the PID file (" + path + ").: " + std::strerror(errnum) + " (" +
                 std::to_string(errnum) + ")"};
  }
  const std::string text = std::to_string(::getpid());
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return errno_error("Unable to write to the PID file (" + path + ").");
  }
  return ok();
}

// A third of the shortest request_slowlog_timeout, as php-fpm has it; nanoseconds, 0 without one.
std::int64_t Master::slow_check_interval() const {
  constexpr std::int64_t kShortest = 130 * kMillisecond;
  int seconds = 0;
  for (const config::PoolConfig& pool : config_.pools) {
    const int limit = pool.request_slowlog_timeout;
    if (limit > 0 && (seconds == 0 || limit < seconds)) {
      seconds = limit;
    }
  }
  return seconds > 0 ? std::max(seconds * kSecond / 3, kShortest) : 0;
}

void Master::loop() {
  std::vector<pollfd> fds;
  std::int64_t next_tick = monotonic_ns() + kTickMs * kMillisecond;
  const std::int64_t check_every = slow_check_interval();
  std::int64_t next_check = check_every > 0 ? monotonic_ns() + check_every : INT64_MAX;
  while (!(state_ >= State::Finishing && all_ended())) {
    fds.clear();
    fds.push_back({signals_.get(), POLLIN, 0});
    fds.push_back({log_.master_fd(), POLLIN, 0});
    for (const auto& pool : pools_) {
      pool->add_fds(fds);
    }
    old_.add_fds(fds);
    const std::int64_t next = std::min(next_tick, next_check);
    const std::int64_t left =
        std::max<std::int64_t>((next - monotonic_ns() + kMillisecond - 1) / kMillisecond, 0);
    if (::poll(fds.data(), fds.size(), static_cast<int>(std::min<std::int64_t>(left, kTickMs))) >
        0) {
      // A handler may close descriptors of later entries; their numbers are then unknown to every
      // pool, or belong to something new, which is looked at without blocking.
      for (std::size_t i = 2; i < fds.size(); ++i) {
        for (const auto& pool : pools_) {
          if (fds[i].revents != 0) {
            pool->on_readable(fds[i].fd);
          }
        }
        if (fds[i].revents != 0) {
          old_.on_readable(fds[i].fd);
        }
      }
      read_log();
      if (fds[0].revents != 0) {
        on_signals();
      }
    }
    if (monotonic_ns() >= next_tick) {
      next_tick = monotonic_ns() + kTickMs * kMillisecond;
      tick();
    }
    if (monotonic_ns() >= next_check) {
      next_check = monotonic_ns() + check_every;
      for (const auto& pool : pools_) {
        pool->check_slow();
      }
    }
    check_ready();
  }
  read_log();
}

void Master::read_log() {
  LogChannel::Entry entry;
  while (log_.receive(entry)) {
    switch (entry.level) {
      case php::LogLevel::Debug:
        log::debug(entry.pool, entry.text);
        break;
      case php::LogLevel::Notice:
        log::notice(entry.pool, entry.text);
        break;
      case php::LogLevel::Warning:
        log::warning(entry.pool, entry.text);
        break;
      default:
        log::error(entry.pool, entry.text);
    }
  }
}

void Master::check_ready() {
  for (const auto& pool : pools_) {
    if (pool->failure() && state_ < State::Finishing) {
      log::error(pool->config().name, *pool->failure());
      log::error("", "FPM initialization failed");
      exit_status_ = 78;
      terminate();
      return;
    }
  }
  if (ready_ || state_ != State::Starting ||
      !std::all_of(pools_.begin(), pools_.end(),
                   [](const auto& pool) { return pool->is_ready(); })) {
    return;
  }
  ready_ = true;
  state_ = State::Running;
  old_.finish();
  tell_ready();
  if (options_.startup) {
    const char good = '1';
    [[maybe_unused]] ssize_t told = ::write(options_.startup.get(), &good, 1);
    options_.startup.reset();
  }
}

void Master::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGCHLD:
        on_child();
        break;
      case SIGTERM:
      case SIGINT:
        log::notice("", "Terminating ...");
        terminate();
        break;
      case SIGQUIT:
        log::notice("", "Finishing ...");
        finish();
        break;
      case SIGUSR1:
        if (Status reopened = log::reopen(); reopened) {
          log::notice("", "error log file re-opened");
        } else {
          log::error("", "unable to re-opened error log file: " + reopened.error().message);
        }
        reopen_access_logs();
        break;
      case SIGUSR2:
      case SIGHUP:
        log::notice("", "Reloading in progress ...");
        reload();
        break;
      default:
        break;
    }
  }
}

void Master::reopen_access_logs() {
  bool any = false;
  for (const auto& pool : pools_) {
    if (Result<bool> reopened = pool->reopen_access_log(); reopened) {
      any = any || *reopened;
    } else {
      log::error(pool->config().name,
                 "unable to re-opened access log file: " + reopened.error().message);
    }
  }
  if (any) {
    log::notice("", "access log file re-opened");
  }
}

void Master::on_child() {
  for (siginfo_t seen{};
       ::waitid(P_ALL, 0, &seen, WEXITED | WNOHANG | WNOWAIT) == 0 && seen.si_pid > 0; seen = {}) {
    const pid_t pid = seen.si_pid;
    if (seen.si_code == CLD_KILLED || seen.si_code == CLD_DUMPED) {
      // What its request had started: nobody else ends it. The number is not another's before it is
      // waited for.
      ::kill(-pid, SIGKILL);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSTOPPED(status)) {
      for (const auto& pool : pools_) {
        if (pool->on_stop(pid, status)) {
          break;
        }
      }
      continue;
    }
    if (old_.on_exit(pid)) {
      continue;
    }
    for (const auto& pool : pools_) {
      if (pool->on_exit(pid, status)) {
        break;
      }
    }
  }
}

void Master::finish() {
  if (state_ >= State::Finishing) {
    return;
  }
  state_ = State::Finishing;
  stop_begun_ns_ = monotonic_ns();
  service_manager::stopping();
  old_.finish();
  for (const auto& pool : pools_) {
    pool->stop_gracefully();
  }
}

void Master::terminate() {
  if (state_ == State::Terminating) {
    return;
  }
  state_ = State::Terminating;
  stop_begun_ns_ = monotonic_ns();
  service_manager::stopping();
  old_.signal_all(SIGTERM);
  for (const auto& pool : pools_) {
    pool->remove_socket();
    pool->signal_all(SIGTERM);
  }
}

void Master::tick() {
  for (const auto& pool : pools_) {
    pool->tick();
  }
  if (state_ == State::Running || state_ == State::Finishing) {
    old_.remind();
  }
  report();
  if (state_ == State::Running && has_crashed_too_often()) {
    log::warning("", "failed processes threshold (" +
                         std::to_string(config_.global.emergency_restart_threshold) + " in " +
                         std::to_string(config_.global.emergency_restart_interval) +
                         " sec) is reached, initiating reload");
    reload();
  }
  int limit = config_.global.process_control_timeout;
  std::int64_t spent = monotonic_ns() - stop_begun_ns_;
  if (state_ == State::Finishing && limit > 0 && spent > limit * kSecond) {
    log::notice("", "workers did not finish in process_control_timeout (" + std::to_string(limit) +
                        " s), terminating them");
    terminate();
  } else if (state_ == State::Terminating && spent > std::max(limit, 1) * kSecond) {
    old_.signal_all(SIGKILL);
    for (const auto& pool : pools_) {
      pool->signal_all(SIGKILL);
    }
  }
}

bool Master::has_crashed_too_often() {
  bool too_often = false;
  crashes_seen_.resize(pools_.size());
  for (std::size_t i = 0; i < pools_.size(); ++i) {
    for (const std::uint64_t now = pools_[i]->board().crashes.load(); crashes_seen_[i] < now;
         ++crashes_seen_[i]) {
      too_often = emergency_.crashed(monotonic_ns() / kSecond) || too_often;
    }
  }
  return too_often;
}

bool Master::all_ended() const {
  return old_.empty() && std::none_of(pools_.begin(), pools_.end(),
                                      [](const auto& pool) { return pool->has_processes(); });
}

}  // namespace lwc
