// SPDX-License-Identifier: Apache-2.0
// The run of a front controller up to lwc_snapshot(), for nobody.
#pragma once

#include <cstddef>

#include "descriptors.hpp"
#include "file_set.hpp"
#include "lwc/engine.hpp"

namespace lwc::php {

/// What the warm-up wrote past all buffers.
struct WarmupOutput {
  std::size_t bytes = 0;
};
const WarmupOutput& warmup_output();

/// Runs job.spec. Returns in children of the snapshot, after their request; a warm-up that comes to
/// no snapshot is abandoned.
void prepare(const Job& job);

/// Files read since the warm-up began, and what was open then.
FileSet& warmup_files();
const OpenSet& open_before_warmup();

/// What only the warm-up needs is as the pool has it again: ini settings, the record of files.
void leave_warmup();

}  // namespace lwc::php
