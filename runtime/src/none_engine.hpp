// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "process_engine.hpp"

namespace lwc {

/// No isolation: the holder serves request after request and nothing is undone. Unsafe, for
/// measuring what isolation costs; this is what worker-mode servers do.
class NoneEngine final : public ProcessEngine {
 public:
  using ProcessEngine::ProcessEngine;

  std::string_view name() const override { return "none"; }
  bool discards_children() const override { return false; }
  void end_child() override;

 protected:
  Job serve(Server& server, SnapshotId own) override;

 private:
  Server* server_ = nullptr;
  std::optional<Job> running_;
};

}  // namespace lwc
