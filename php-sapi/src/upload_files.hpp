// SPDX-License-Identifier: Apache-2.0
// Which files hold what a client uploads. PHP deletes them when the request ends; for one that is
// killed the host does, so it is told their names.
#pragma once

namespace lwc::php {

/// Once, after the extensions have started.
void watch_uploads();

/// A new request: nothing is being uploaded.
void forget_uploads();

}  // namespace lwc::php
