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
  void end_child() override;

  static EngineProbe probe();

 protected:
  Status prepare_template() override;
  Job serve(Server& server, SnapshotId own) override;

 private:
  Job next_child(Server& server, SnapshotId own);
  void child_gone(Server& server, SnapshotId own);

  rollback::PristineStore store_;
};

}  // namespace lwc
