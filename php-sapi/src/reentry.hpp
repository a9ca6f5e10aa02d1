// SPDX-License-Identifier: Apache-2.0
// Engine `none`: nothing is undone, so the rest of the script is run once more for every request,
// as worker-mode servers do. Classes, globals and statics stay as the request before left them.
#pragma once

namespace lwc::php {

/// Why the caller of lwc_snapshot() cannot be entered again, or null.
const char* reason_against_reentry();

/// Runs what follows the call of lwc_snapshot() in the main script, which must be the caller.
/// False: the script ended by a fatal error, and the process must not go on.
bool run_rest_of_script();

/// Ends the current request and leaves PHP as it must be for the next.
void end_reentered_request();

/// Once, before the first request: what of shutdown functions belongs to all.
void note_reentry_point();

}  // namespace lwc::php
