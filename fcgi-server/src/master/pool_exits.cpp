// SPDX-License-Identifier: Apache-2.0
// Which of a pool's processes has ended, and what its template's end means. A holder's is in
// worker_slots.cpp.
#include <algorithm>

#include "exit_words.hpp"
#include "log.hpp"
#include "master/pool.hpp"
#include "worker/pool_process.hpp"

namespace lwc {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kEarlyExitKept =
    10'000'000'000;  // ns; long enough for any message, too short for a pid to come again
constexpr std::chrono::milliseconds kBasePause = 500ms;  // after a base template that failed

}  // namespace

// To go through while templates come and go.
std::vector<SnapshotId> Pool::template_ids() const {
  std::vector<SnapshotId> ids;
  ids.reserve(templates_.size());
  for (const auto& [id, one] : templates_) {
    ids.push_back(id);
  }
  return ids;
}

// Snapshots that the base template was asked for and had not begun when it ended.
void Pool::forget_unborn() {
  std::erase_if(templates_, [this](const auto& item) {
    const auto& [id, one] = item;
    bool unborn = id != kBaseSnapshot && !one.ready && one.pid == 0;
    if (unborn) {
      one.entry->state.store(SnapshotState::Failed, std::memory_order_release);
      retry_at_ns_[one.entry] = monotonic_ns();
    }
    return unborn;
  });
}

void Pool::on_template_exit(SnapshotId id, int status) {
  on_template(id);  // its last words
  auto found = templates_.find(id);
  if (found == templates_.end()) {
    return;
  }
  Template gone = std::move(found->second);
  templates_.erase(found);
  forget_starting(id);
  if (stopping_ || failure_) {
    if (id == kBaseSnapshot) {
      forget_unborn();
    }
    return;
  }
  if (id == kBaseSnapshot) {
    log::warning(config_.name, "base template " + std::to_string(gone.pid) + " ended (" +
                                   describe_status(status) + "), starting another");
    // Once the pool serves, it goes on: there are workers, and what failed may work again.
    if (!gone.ready && !started_workers_) {
      failure_ = "the base template ended before it was ready (" + describe_status(status) + ")";
      return;
    }
    forget_unborn();
    if (Status started = start_base(gone.ready ? 0ms : kBasePause); !started) {
      failure_ = started.error().message;
    }
    return;
  }
  SnapshotEntry& entry = *gone.entry;
  if (gone.ready && entry.id == id && entry.state.load() == SnapshotState::Ready) {
    log::warning(config_.name, "template " + std::to_string(gone.pid) + " of '" +
                                   entry.script.data() + "' ended (" + describe_status(status) +
                                   "), preparing another");
    prepare(gone.warmup, entry);
  } else if (!gone.ready && entry.state.load() == SnapshotState::Preparing) {
    templates_.emplace(id, std::move(gone));
    on_failed(id, "its warm-up ended early (" + describe_status(status) + ")");
    templates_.erase(id);
  }
}

bool Pool::on_exit(pid_t pid, int status) {
  for (SnapshotId id : template_ids()) {
    on_template(id);  // learn who was forked before this exit was noticed
  }
  const bool traced = slow_log_->forget(pid);
  if (on_known_exit(pid, status) || traced) {
    return true;
  }
  // A process can end before its template, which forked it, has run again to say so.
  early_exits_[pid] = {status, monotonic_ns()};
  return false;
}

void Pool::match_early_exits() {
  std::erase_if(early_exits_, [](const auto& one) {
    return monotonic_ns() - one.second.noticed_ns > kEarlyExitKept;
  });
  std::vector<pid_t> pids;
  pids.reserve(early_exits_.size());
  for (const auto& [pid, exit] : early_exits_) {
    pids.push_back(pid);
  }
  for (pid_t pid : pids) {
    auto exit = early_exits_.extract(pid);  // taken out first: what follows comes here again
    if (!exit.empty() && !on_known_exit(pid, exit.mapped().status)) {
      early_exits_.insert(std::move(exit));
    }
  }
}

bool Pool::on_known_exit(pid_t pid, int status) {
  for (const auto& [id, one] : templates_) {
    if (one.pid == pid) {
      on_template_exit(id, status);
      return true;
    }
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    auto& holders = slots_[i].holders;
    auto found = std::find_if(holders.begin(), holders.end(),
                              [pid](const Holder& h) { return h.pid == pid; });
    if (found != holders.end()) {
      Holder holder = *found;
      holders.erase(found);
      on_holder_exit(i, holder, status);
      return true;
    }
  }
  return false;
}

}  // namespace lwc
