// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lwc {

/// process.max: how many workers there may be in all pools together. The master's.
struct ProcessLimit {
  int most = 0;  ///< 0: any number
  int running = 0;
  bool warned = false;  ///< said so, and no worker was started since

  bool is_reached() const { return most > 0 && running >= most; }
};

}  // namespace lwc
