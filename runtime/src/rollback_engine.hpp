// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "process_engine.hpp"
#include "rollback/pristine_store.hpp"

namespace lwc {

/// A child is the holder itself, which undoes everything that the request did (docs/rollback.md).
class RollbackEngine final : public ProcessEngine {
 public:
  using ProcessEngine::ProcessEngine;

  std::string_view name() const override { return "rollback"; }
  bool discards_children() const override { return true; }
  void lift_deadline() override;
  void end_child() override;

  static EngineProbe probe();
  static Status share_memory();

 protected:
  Status prepare_template() override;
  Job serve(Server& server, SnapshotId own) override;

 private:
  Job next_child(Server& server, SnapshotId own);
  void child_gone(Server& server, SnapshotId own);

  /// What all pools have had in common since before they were forked.
  static rollback::PristineStore& common_store();

  rollback::PristineStore store_ = common_store();
};

}  // namespace lwc
