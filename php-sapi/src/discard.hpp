// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc::php {

/// php_request_shutdown() for a child whose memory is thrown away: everything somebody outside can
/// notice, and nothing that only gives memory back.
void shut_down_discarded();

}  // namespace lwc::php
