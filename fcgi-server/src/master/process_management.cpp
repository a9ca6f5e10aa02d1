// SPDX-License-Identifier: Apache-2.0
// How many workers a pool has: pm = static, dynamic or ondemand, with php-fpm's meaning of every
// pm.* key.
#include <algorithm>
#include <csignal>
#include <utility>

#include "log.hpp"
#include "master/pool.hpp"

namespace lwc {

using config::ProcessManager;

Pool::Counts Pool::count() const {
  Counts counts;
  std::int64_t longest = 0;
  std::int64_t now = monotonic_ns();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = board_->slot(i);
    if (!slots_[i].live || slot.stop.load() != 0) {
      continue;
    }
    if (slot.stage.load() != Stage::Idle) {
      ++counts.active;
      continue;
    }
    ++counts.idle;
    std::int64_t idle = now - slot.idle_since_ns.load();
    if (!counts.has_idle || idle > longest) {
      longest = idle;
      counts.longest_idle = i;
      counts.has_idle = true;
    }
  }
  return counts;
}

// process.max of all pools together.
bool Pool::can_start() {
  if (!limit_.is_reached()) {
    return true;
  }
  if (!std::exchange(limit_.warned, true)) {
    log::warning("",
                 "The maximum number of processes has been reached. Please review your "
                 "configuration and consider raising 'process.max'");
  }
  return false;
}

// How many of them were started.
int Pool::start_workers(int count) {
  int started = 0;
  for (std::uint32_t i = 0; i < slots_.size() && started < count && can_start(); ++i) {
    if (!slots_[i].live) {
      start_worker(i);
      ++started;
    }
  }
  return started;
}

// Once, until a worker could be started again.
void Pool::warn_of_max_children(const char* setting) {
  spawn_rate_ = 1;
  if (config_.status_of || std::exchange(warned_max_children_, true)) {
    return;
  }
  board_->max_children_reached.fetch_add(1);
  log::warning(config_.name, std::string("server reached ") + setting + " setting (" +
                                 std::to_string(config_.pm_max_children) +
                                 "), consider raising it");
}

void Pool::stop_worker(std::uint32_t index, Stop how) {
  slots_[index].idle_kill = true;
  board_->slot(index).stop = how;
  for (const Holder& holder : slots_[index].holders) {
    ::kill(holder.pid, SIGQUIT);
  }
}

void Pool::manage() {
  if (!templates_.contains(kBaseSnapshot) || !templates_.at(kBaseSnapshot).ready) {
    return;
  }
  switch (config_.pm) {
    case ProcessManager::Dynamic:
      manage_dynamic();
      break;
    case ProcessManager::Ondemand:
      manage_ondemand();
      break;
    default: {
      auto live = std::count_if(slots_.begin(), slots_.end(),
                                [](const WorkerSlot& slot) { return slot.live; });
      start_workers(config_.pm_max_children - static_cast<int>(live));
    }
  }
}

void Pool::manage_dynamic() {
  Counts counts = count();
  int total = counts.idle + counts.active;
  if (total == 0) {
    start_workers(std::max(config_.pm_start_servers, 1));
    return;
  }
  if (counts.idle > config_.pm_max_spare_servers && counts.has_idle) {
    stop_worker(counts.longest_idle, kStopSoon);
    spawn_rate_ = 1;
    return;
  }
  if (counts.idle >= config_.pm_min_spare_servers) {
    spawn_rate_ = 1;
    return;
  }
  if (total >= config_.pm_max_children) {
    warn_of_max_children("pm.max_children");
    return;
  }
  if (spawn_rate_ >= 8) {
    log::warning(config_.name,
                 "seems busy (you may need to increase pm.start_servers, or "
                 "pm.min/max_spare_servers), spawning " +
                     std::to_string(spawn_rate_) + " children, there are " +
                     std::to_string(counts.idle) + " idle, and " + std::to_string(total) +
                     " total children");
  }
  int missing = config_.pm_min_spare_servers - counts.idle;
  warned_max_children_ = false;
  start_workers(std::min({missing, spawn_rate_, config_.pm_max_children - total}));
  if (spawn_rate_ < config_.pm_max_spawn_rate) {
    spawn_rate_ *= 2;
  }
}

void Pool::manage_ondemand() {
  Counts counts = count();
  if (counts.idle > 0) {
    const Slot& slot = board_->slot(counts.longest_idle);
    std::int64_t limit = config_.pm_process_idle_timeout * kSecond;
    if (monotonic_ns() - slot.idle_since_ns.load() > limit) {
      stop_worker(counts.longest_idle, kStopSoon);
    }
    return;
  }
  pollfd pending{listen_fd(), POLLIN, 0};
  if (::poll(&pending, 1, 0) <= 0) {
    return;
  }
  if (counts.active >= config_.pm_max_children) {
    warn_of_max_children("max_children");
    return;
  }
  warned_max_children_ = false;
  start_workers(1);
}

// Engines end an overdue request themselves. This is for those that cannot, and for servers that
// hang: once a tick, so that a server has had time to run since the look before.
void Pool::check_overdue() {
  if (config_.request_terminate_timeout == 0) {
    return;
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& shared = board_->slot(i);
    const Progress first = shared.progress();
    const bool overdue = slots_[i].live && is_overdue(shared, first);
    slots_[i].killed = overdue ? slots_[i].killed : 0;
    if (!second_look_.confirms(i, overdue, first.started_ns)) {
      continue;
    }
    const pid_t pid = shared.exchange.child_pid.load();
    const std::string request = describe_request(shared);
    // It may have come to its end meanwhile, and the process may serve another one.
    const Progress now = shared.progress();
    if (pid > 0 && pid != slots_[i].killed && now.started_ns == first.started_ns &&
        is_overdue(shared, now)) {
      ::kill(pid, SIGKILL);
      slots_[i].killed = pid;
      log::warning(config_.name, request + " execution timed out, killing");
    }
  }
}

bool Pool::is_overdue(const Slot& slot, const Progress& request) const {
  constexpr std::int64_t kGrace = 2 * kSecond;
  return (request.stage == Stage::Running || request.stage == Stage::ReadingHeaders ||
          request.stage == Stage::Info) &&
         request.spent_ns >= config_.request_terminate_timeout * kSecond + kGrace &&
         (slot.exchange.report.answer_finished == 0 ||
          config_.request_terminate_timeout_track_finished);
}

}  // namespace lwc
