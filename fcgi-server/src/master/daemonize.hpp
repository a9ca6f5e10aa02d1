// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

/// Goes to the background. Returns in the daemon, with a descriptor: one byte '1' written to it
/// says that the daemon serves. The process that was called waits for that and exits with 0, or
/// with 70 when the daemon ends before, and then names `error_log` on standard error.
Result<UniqueFd> daemonize(const std::string& error_log);

}  // namespace lwc
