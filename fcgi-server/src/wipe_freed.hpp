// SPDX-License-Identifier: Apache-2.0
// The configuration names secrets of all pools, and a pool's processes are forked from the one that
// has read it.
#pragma once

namespace lwc {

/// While this is on, memory that C++ code gives back is overwritten first: what was read or copied
/// on the way does not stay behind in the heap, to be found in every process that is forked later.
void wipe_freed_memory(bool on);

}  // namespace lwc
