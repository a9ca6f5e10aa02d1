// SPDX-License-Identifier: Apache-2.0
// lwc_snapshot(): where in its life the current process is, and the step from warm-up to child.
#pragma once

#include <string>

#include "lwc/engine.hpp"

namespace lwc::php {

void begin_warmup(SnapshotId id, const std::string& script);

/// This warm-up compiles without opcache, because that is about to restart.
void build_without_opcache();

bool is_warming_up();
bool in_snapshot_child();

/// The work of lwc_snapshot(): true in a child of the snapshot.
bool take_snapshot();

/// What lwc_snapshot_info() tells.
struct SnapshotInfo {
  SnapshotId id = 0;
  const char* script = "";
  double created = 0;  ///< Unix time
  std::size_t files = 0;
};
SnapshotInfo snapshot_info();

}  // namespace lwc::php
