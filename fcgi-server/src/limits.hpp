// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lwc/result.hpp"

namespace lwc {

/// rlimit_files and rlimit_core of this process and those it makes. 0: leave as it is; core -1: no
/// limit.
Status set_limits(int files, int core);

}  // namespace lwc
