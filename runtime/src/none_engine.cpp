// SPDX-License-Identifier: Apache-2.0
#include "none_engine.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace lwc {

Job NoneEngine::serve(Server& server, SnapshotId own) {
  server_ = &server;
  Job job;
  if (!server.next(job)) {
    ::_exit(0);
  }
  job.kind = Job::Kind::Serve;
  job.snapshot = own;
  server.exchange().child_pid.store(::getpid(), std::memory_order_release);
  running_ = job;
  // The child's own, as with every engine.
  job.connection = ::fcntl(job.connection, F_DUPFD_CLOEXEC, 0);
  return job;
}

void NoneEngine::end_child() {
  if (running_) {
    if (::getpid() != server_->exchange().child_pid.load(std::memory_order_acquire)) {
      ::_exit(0);  // a process that the request forked and that came to its end
    }
    server_->finished(*running_, Outcome{});
    running_.reset();
  }
}

}  // namespace lwc
