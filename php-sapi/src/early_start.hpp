// SPDX-License-Identifier: Apache-2.0
// Beginning a request before there is one, in the base template: most of what php_request_startup()
// does is the same for every request, and its children inherit it done.
#pragma once

namespace lwc::php {

/// In the base template. Does nothing where the beginning of a request depends on the request:
/// settings for hosts or directories, extensions that nobody has looked at.
void start_early();

/// Undoes it, for what begins in another way. Harmless where nothing was begun.
void forget_early_start();

enum class EarlyStart {
  None,     ///< nothing was begun, or the request has settings of its own: start it as PHP does
  Adopted,  ///< what was begun is this request now
  Failed,   ///< it cannot be answered
};

/// In a child, with the parameters of its request read.
EarlyStart adopt_early_start();

}  // namespace lwc::php
