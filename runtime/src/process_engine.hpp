// SPDX-License-Identifier: Apache-2.0
// What the engines that live in ordinary processes share: the tree of templates and holders.
//
//   base template --prepare--> application template        (one each per pool; paused in hold())
//         \--spawn--> holder        \--spawn--> holder     (one per worker slot and snapshot; serve
//         requests)
//
// All are children of the master (fork_sibling). An engine adds how a holder makes a child and gets
// rid of it.
#pragma once

#include <optional>
#include <vector>

#include "lwc/engine.hpp"
#include "lwc/message.hpp"

namespace lwc {

class ProcessEngine : public Engine {
 public:
  explicit ProcessEngine(UniqueFd control) : control_(std::move(control)) {}

  Result<Job> hold(Server& server, const HoldOptions& options) final;
  [[noreturn]] void abandon(std::string_view reason) final;

 protected:
  /// In a template, before its first holder is forked: prepare what all holders share.
  virtual Status prepare_template() { return ok(); }

  /// Once in a new holder, before HoldOptions::in_holder.
  virtual void begin_holder(Server& /*server*/) {}

  /// Runs a holder. Returns once in every child; leaves by _exit(0) when the server says stop.
  virtual Job serve(Server& server, SnapshotId own) = 0;

  /// What a child that has descriptors of its own must not have: the server's but for the lent
  /// ones.
  static std::vector<int> withheld_descriptors(Server& server);

 private:
  /// Waits for commands. Returns only in forked processes: with the Prepare job, or nothing in a
  /// new holder.
  std::optional<Job> run_template(Server& server, const HoldOptions& options);
  bool spawn_holder(Server& server, const HoldOptions& options, Message& command);
  std::optional<Job> start_preparing(Message& command);
  void tell(std::uint32_t kind, SnapshotId snapshot, std::uint32_t slot, pid_t pid,
            std::string_view text) const;

  UniqueFd control_;  // to the master; templates and preparing processes only
  bool is_holder_ = false;
};

}  // namespace lwc
