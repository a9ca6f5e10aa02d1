// SPDX-License-Identifier: Apache-2.0
// What a child of an application snapshot must have of its own: docs/architecture.md has the table.
#pragma once

namespace lwc::php {

/// Ends a session that the warm-up of `script` has open, file and lock included, and says so: it
/// would be one session for everybody.
void end_warmup_session(const char* script);

/// In the template, right before the snapshot: what the warm-up left is put away once, so that
/// children need not do it. Logs what it throws away, naming `script`.
void put_away_warmup(const char* script);

/// In the child, after open_request(): everything that belongs to the request is the request's.
void renew_for_request();

/// In a child of the base that was started early (early_start.hpp), after fill_request_info():
/// likewise, and no script has run yet.
void renew_early_start();

}  // namespace lwc::php
