// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc {

/// Kills and reaps the direct child processes of the caller: what a request started and did not
/// wait for. Processes whose parent has ended (a shell's `command &`) live on, as they do under
/// php-fpm. Costs one system call when there are none.
void kill_child_processes();

}  // namespace lwc
