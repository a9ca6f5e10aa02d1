// SPDX-License-Identifier: Apache-2.0
// How a pool ends, and which processes that concerns.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "master/pool.hpp"

namespace lwc {

void Pool::remove_socket() {
  if (config_.listen_is_unix && !listener_.activated) {
    ::unlink(config_.listen->c_str());
  }
}

void Pool::forget(const PoolBoard* shown) {
  config_ = {};
  if (board_.get() == shown) {
    [[maybe_unused]] PoolBoard* kept = board_.release();
  }
  board_.reset();
}

InheritedSocket Pool::socket() const {
  return {*config_.listen, listen_fd(), listener_.activated, listener_.name};
}

void Pool::stop_gracefully() {
  stopping_ = true;
  remove_socket();
  if (!listener_.activated) {
    // For every descriptor of the socket, in whatever process: a worker that stops must not wait
    // for a connection.
    ::fcntl(listen_fd(), F_SETFL, ::fcntl(listen_fd(), F_GETFL) | O_NONBLOCK);
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].live) {
      stop_worker(i, listener_.activated ? kStopSoon : kDrain);
    }
  }
  dismiss_templates();
}

void Pool::signal_all(int signal) {
  stopping_ = stopping_ || signal == SIGTERM || signal == SIGKILL;
  end_signal_ = signal;
  for (pid_t pid : holder_pids()) {
    ::kill(pid, signal);
  }
  dismiss_templates();
  if (signal == SIGKILL) {
    for (const auto& [id, one] : templates_) {
      if (one.pid > 0) {
        ::kill(one.pid, SIGKILL);
      }
    }
  }
}

// A template that holds its snapshot is told to end, and says first which processes it has forked:
// one killed between the two would leave a process behind that nobody knows of. A warm-up that runs
// is worth nothing any more, and may run for long.
void Pool::dismiss_templates() {
  for (auto& [id, one] : templates_) {
    if (one.ready) {
      one.handle.dismiss();
    } else if (one.pid > 0) {
      ::kill(one.pid, SIGKILL);
    }
  }
}

void Pool::settle(std::int64_t deadline_ns) {
  stopping_ = true;
  board_->master_answers = false;
  dismiss_templates();
  std::vector<SnapshotId> ids = template_ids();
  auto talking = [this](SnapshotId id) {
    auto found = templates_.find(id);
    return found != templates_.end() && found->second.handle ? found->second.handle.fd() : -1;
  };
  for (SnapshotId id : ids) {
    for (int fd; (fd = talking(id)) >= 0;) {
      const std::int64_t left = std::max<std::int64_t>(deadline_ns - monotonic_ns(), 0);
      pollfd control{fd, POLLIN, 0};
      if (::poll(&control, 1, static_cast<int>(left / kMillisecond)) <= 0) {
        // It hangs. What it was asked for it will not do; what it did it has said long ago.
        ::kill(templates_.at(id).pid, SIGKILL);
        break;
      }
      on_template(id);
    }
  }
}

// A process that was forked when the end had begun, and is announced now.
void Pool::end_latecomer(const TemplateEvent& event) {
  if (!stopping_) {
    return;
  }
  if (event.kind == TemplateEvent::Kind::Preparing) {
    ::kill(event.pid, SIGKILL);
  } else if (end_signal_ != 0) {
    ::kill(event.pid, end_signal_);
  }
}

std::vector<pid_t> Pool::holder_pids() const {
  std::vector<pid_t> all;
  for (const WorkerSlot& slot : slots_) {
    for (const Holder& holder : slot.holders) {
      all.push_back(holder.pid);
    }
  }
  return all;
}

// Whoever can still announce a process counts, too.
bool Pool::has_processes() const {
  return !holder_pids().empty() ||
         std::any_of(templates_.begin(), templates_.end(),
                     [](const auto& item) { return item.second.pid > 0 || item.second.handle; });
}

std::vector<int> Pool::all_fds() const {
  std::vector<int> fds = worker_fds();
  fds.push_back(listen_fd());
  fds.push_back(access_log_.get());
  for (const auto& [id, one] : templates_) {
    fds.push_back(one.handle ? one.handle.fd() : -1);
  }
  for (const WorkerSlot& slot : slots_) {
    for (const CaughtOutput::Source& one : slot.output.sources()) {
      fds.push_back(one.fd);
    }
  }
  return fds;
}

void Pool::hand_over(Handover& to) const {
  to.sockets.push_back(socket());
  const std::vector<pid_t> pids = holder_pids();
  to.workers.insert(to.workers.end(), pids.begin(), pids.end());
  const std::vector<int> links = worker_fds();
  to.links.insert(to.links.end(), links.begin(), links.end());
  for (const WorkerSlot& slot : slots_) {
    if (slot.live) {
      to.controls.push_back(slot.control.get());
    }
    const std::vector<CaughtOutput::Source> sources = slot.output.sources();
    to.outputs.insert(to.outputs.end(), sources.begin(), sources.end());
  }
}

std::vector<int> Pool::worker_fds() const {
  std::vector<int> fds;
  for (const WorkerSlot& slot : slots_) {
    if (!slot.live) {
      continue;
    }
    fds.push_back(slot.control.get());
    fds.push_back(slot.control_other.get());
    for (const auto& [id, one] : slot.inboxes) {
      fds.push_back(one.send.get());
      fds.push_back(one.receive.get());
    }
  }
  return fds;
}

}  // namespace lwc
