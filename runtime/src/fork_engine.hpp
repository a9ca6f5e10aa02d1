// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <vector>

#include "file_descriptions.hpp"
#include "process_engine.hpp"

namespace lwc {

/// A child is a forked process. One is parked ahead of each request, so that an idle holder answers
/// without waiting for a fork; the price in CPU time stays.
class ForkEngine final : public ProcessEngine {
 public:
  using ProcessEngine::ProcessEngine;

  std::string_view name() const override { return "fork"; }
  bool discards_children() const override { return true; }
  void end_child() override;

 protected:
  Job serve(Server& server, SnapshotId own) override;

 private:
  struct Child {
    pid_t pid = 0;
    UniqueFd channel;  // the job goes out; one byte comes back when the request is over
    UniqueFd pidfd;    // readable once the process has died, whoever may hold the channel open
  };

  /// Forks the next child. True in that child, once it was given its job.
  bool park(Server& server, Job& job);
  bool wait_for_job(Server& server, Job& job);
  bool give(const Child& child, const Job& job) const;
  Outcome wait_for_end(Server& server, Child& child);
  Outcome end_by_force(Child& child, Outcome::End end);
  void reap();

  std::vector<FileDescription> files_;  // open at the snapshot
  Child parked_;
  pid_t child_pid_ = -1;      // in a child: its own
  std::deque<pid_t> ending_;  // said that they are done; not waited for yet
  UniqueFd to_server_;        // in a child: its end of the channel
};

}  // namespace lwc
