// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lwc {

/// Which requests were overdue at the look before, too. When the whole machine stood still, all are
/// overdue at once, and the master may be the first to run again: their servers get until its next
/// look to end them, as they would have.
class SecondLook {
 public:
  explicit SecondLook(std::size_t slots = 0) : overdue_(slots) {}

  /// To be told of every slot at each look. True if its request was overdue at the look before, and
  /// is so still; a request is known by when it has started.
  bool confirms(std::size_t slot, bool is_overdue, std::int64_t started_ns);

 private:
  std::vector<std::int64_t> overdue_;  // by slot: the start of the request, 0 for none
};

}  // namespace lwc
