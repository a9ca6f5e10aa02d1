// SPDX-License-Identifier: Apache-2.0
#include "fork_engine.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>

#include "child_processes.hpp"
#include "lwc/message.hpp"
#include "lwc/template.hpp"

namespace lwc {
namespace {

constexpr int kMaxAttempts = 3;  // to find a child for a request
constexpr std::size_t kMaxEnding =
    4;  // children that may still be dying when the next request starts

int pidfd_open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

Outcome from_wait_status(int status) {
  if (WIFSIGNALED(status)) {
    return {Outcome::End::Fault, WTERMSIG(status)};
  }
  return {Outcome::End::Exited, WEXITSTATUS(status)};
}

// The request before may have changed it for all processes of its user. The server's has been put
// back.
bool has_own_priority(pid_t pid) {
  return ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) == ::getpriority(PRIO_PROCESS, 0);
}

// Gives back what the next request could miss: locks, sockets, semaphores. The process says that it
// is done before it has died, and dying takes a while.
void release_shared(int keep) {
  auto kept = static_cast<unsigned>(keep);
  if (kept > 0) {
    ::close_range(0, kept - 1, 0);
  }
  ::close_range(kept + 1, ~0U, 0);
  ::unshare(CLONE_SYSVSEM);  // undoes semaphores as exit() would
}

}  // namespace

Job ForkEngine::serve(Server& server, SnapshotId own) {
  Job job;
  files_ = open_files();
  for (;;) {
    if (parked_.pid == 0 && park(server, job)) {
      return job;
    }
    reap();
    if (!server.next(job)) {
      parked_ = Child{};  // A parked child ends when its channel closes.
      ::_exit(0);
    }
    job.kind = Job::Kind::Serve;
    job.snapshot = own;
    Outcome outcome{Outcome::End::Lost, 0};
    // A parked child can have been killed: nothing of the request is lost then, another child takes
    // it.
    for (int attempt = 0; attempt < kMaxAttempts && outcome.end == Outcome::End::Lost; ++attempt) {
      if (parked_.pid == 0 && park(server, job)) {
        return job;
      }
      Child child = std::exchange(parked_, Child{});
      if (child.pid == 0) {
        continue;  // fork failed, and may work now
      }
      if (!has_own_priority(child.pid) || !give(child, job)) {
        ending_.push_back(child.pid);
        continue;
      }
      // While this request runs, fork the child of the next one.
      if (park(server, job)) {
        return job;
      }
      outcome = wait_for_end(server, child);
    }
    server.finished(job, outcome);
  }
}

bool ForkEngine::park(Server& server, Job& job) {
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    return false;
  }
  // Listed before the fork: the server goes on opening and closing while the child starts.
  const std::vector<int> server_fds = withheld_descriptors(server);
  pid_t server_pid = ::getpid();
  pid_t pid = ::fork();
  if (pid < 0) {
    return false;
  }
  if (pid == 0) {
    // A child never outlives its server: the connection's error page and the slot depend on it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != server_pid) {
      ::_exit(0);
    }
    ::setpgid(0, 0);  // so that what a killed request started can be ended with it
    to_server_ = std::move(pair->other);
    pair->master.reset();
    parked_ = Child{};
    ending_.clear();
    for (int fd : server_fds) {
      ::close(fd);
    }
    return wait_for_job(server, job);
  }
  parked_ = Child{pid, std::move(pair->master), UniqueFd(pidfd_open(pid))};
  return false;
}

bool ForkEngine::wait_for_job(Server& server, Job& job) {
  server.entered_child();
  reopen(files_);
  Message message;
  Received received = Received::Nothing;
  while (received == Received::Nothing) {
    received = receive_message(to_server_.get(), message, true);
  }
  if (received == Received::Closed || message.fds.size() != 1) {
    ::_exit(0);
  }
  job = Job{};
  job.snapshot = message.snapshot;
  job.connection = message.fds[0].release();
  child_pid_ = ::getpid();
  server.exchange().child_pid.store(child_pid_, std::memory_order_release);
  return true;
}

bool ForkEngine::give(const Child& child, const Job& job) const {
  Message message;
  message.snapshot = job.snapshot;
  return static_cast<bool>(send_message(child.channel.get(), message, {job.connection}));
}

Outcome ForkEngine::wait_for_end(Server& server, Child& child) {
  for (;;) {
    std::chrono::milliseconds left = server.deadline();
    std::array<pollfd, 2> wait{pollfd{child.channel.get(), POLLIN, 0},
                               pollfd{child.pidfd.get(), POLLIN, 0}};
    int ready =
        ::poll(wait.data(), wait.size(), left.count() > 0 ? static_cast<int>(left.count()) : -1);
    if (ready == 0 && !server.is_limited()) {
      continue;
    }
    if (ready == 0) {
      return end_by_force(child, Outcome::End::TimedOut);
    }
    if (ready < 0) {
      continue;
    }
    char done = 0;
    if (wait[0].revents != 0 && ::read(child.channel.get(), &done, 1) == 1) {
      ending_.push_back(child.pid);
      return {Outcome::End::Done, 0};
    }
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    ::kill(-child.pid, SIGKILL);
    bool begun = server.exchange().child_pid.load(std::memory_order_acquire) == child.pid;
    return begun ? from_wait_status(status) : Outcome{Outcome::End::Lost, 0};
  }
}

Outcome ForkEngine::end_by_force(Child& child, Outcome::End end) {
  ::kill(child.pid, SIGKILL);
  ::kill(-child.pid, SIGKILL);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return {end, WIFSIGNALED(status) ? WTERMSIG(status) : 0};
}

void ForkEngine::reap() {
  std::erase_if(ending_, [](pid_t pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
  while (ending_.size() > kMaxEnding) {
    ::kill(ending_.front(), SIGKILL);
    ::waitpid(ending_.front(), nullptr, 0);
    ending_.pop_front();
  }
}

void ForkEngine::end_child() {
  if (::getpid() != child_pid_) {
    ::_exit(0);  // a process that the request forked and that came to its end
  }
  kill_child_processes();
  release_shared(to_server_.get());
  const char done = 'd';
  [[maybe_unused]] ssize_t sent = ::write(to_server_.get(), &done, 1);
  ::_exit(0);
}

}  // namespace lwc
