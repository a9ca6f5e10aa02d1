// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace lwc {

/// Bytes of memory that the process has written and shares with no other. 0: not known.
std::uint64_t private_memory(pid_t pid);

}  // namespace lwc
