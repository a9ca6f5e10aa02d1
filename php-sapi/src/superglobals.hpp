// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc::php {

/// Builds $_GET, $_POST, $_COOKIE, $_FILES, $_SERVER, $_ENV and $_REQUEST anew from the current
/// request, also where compiled code or a reference already uses them.
void rebuild_superglobals();

}  // namespace lwc::php
