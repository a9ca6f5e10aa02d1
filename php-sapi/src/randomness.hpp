// SPDX-License-Identifier: Apache-2.0
// Random number generators that live in the process: children of one snapshot must not draw the
// same numbers from them.
#pragma once

namespace lwc::php {

/// In a template, so that children need not: finds the generators of the libraries that are loaded,
/// and has extensions forget what they seeded for the request.
void find_generators();

/// In a child: every generator gives numbers of its own from here on.
void reseed_generators();

}  // namespace lwc::php
