// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc {

/// Unmaps the pages of files that the calling process has mapped and never changed, code and
/// constants; whoever touches one again has it from the kernel's cache by a page fault. For a
/// process that is about to become idle: what only its start-up needed is no longer counted as its
/// memory, and the kernel may drop it first when memory is short. Reads /proc/self/smaps, some
/// milliseconds; does nothing when it cannot.
void unmap_clean_pages();

}  // namespace lwc
