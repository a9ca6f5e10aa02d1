// SPDX-License-Identifier: Apache-2.0
// The priority of a pool's processes. All of them run as one user, and whoever is that user may
// change it for all of them at once.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log.hpp"
#include "master/pool.hpp"

namespace lwc {
namespace {

constexpr int kNicest = 19;  // 20 is allowed in the configuration, and means this

/// False: it is not `priority` and cannot be made so; errno says why.
bool put_back(pid_t pid, int priority, int& changed) {
  errno = 0;
  const int now = ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid));
  if (errno != 0 || now == priority) {
    return true;  // it has the right one, or has ended
  }
  if (::setpriority(PRIO_PROCESS, static_cast<id_t>(pid), priority) != 0) {
    return errno == ESRCH;
  }
  ++changed;
  return true;
}

}  // namespace

// As set_priority() in worker/pool_process.cpp has it, or as inherited.
int Pool::configured_priority() const {
  const bool is_set = config_.process_priority != config::kPriorityUnset && ::geteuid() == 0;
  return is_set ? std::min(config_.process_priority, kNicest) : ::getpriority(PRIO_PROCESS, 0);
}

// A worker has found its own changed. Those of the templates, which the next workers are made from,
// and of the other workers probably are as well.
void Pool::restore_priority() {
  for (SnapshotId id : template_ids()) {
    on_template(id);  // learn who was forked before
  }
  int changed = 0;
  int error = 0;
  auto visit = [&](pid_t pid) {
    if (pid > 0 && !put_back(pid, priority_, changed)) {
      error = errno;
    }
  };
  for (const auto& [id, one] : templates_) {
    visit(one.pid);
  }
  for (const WorkerSlot& slot : slots_) {
    for (const Holder& holder : slot.holders) {
      visit(holder.pid);
    }
  }
  const std::string what = "a request has changed the priority of the pool's processes";
  if (error != 0 && board_->keeps_priority.exchange(false)) {
    log::warning(config_.name, what + ". It cannot be put back to " + std::to_string(priority_) +
                                   " without the right to: " + std::strerror(error));
  } else if (changed > 0) {
    log::notice(config_.name, what + ": put back to " + std::to_string(priority_));
  }
  board_->priority_rounds.fetch_add(1);
}

}  // namespace lwc
