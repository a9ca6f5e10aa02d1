// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc {

/// Takes what is free between the C library's blocks, and keeps it: what is allocated from now on
/// lies side by side. A child then writes to fewer pages, each of which has to be copied or put
/// back. For a process that is about to become a snapshot; costs it what it takes.
void use_up_fragments();

}  // namespace lwc
