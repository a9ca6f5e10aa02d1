// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc {

/// Kills and reaps the direct child processes of the caller: what a request started and did not
/// wait for. Processes whose parent has ended (a shell's `command &`) live on, as they do under
/// php-fpm. Costs one system call when there are none.
void kill_child_processes();

/// Page faults of all child processes that were waited for. None ends without one, so that more of
/// them tell that there was another.
long faults_of_ended_children();

}  // namespace lwc
