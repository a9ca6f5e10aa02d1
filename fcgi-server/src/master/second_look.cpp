// SPDX-License-Identifier: Apache-2.0
#include "master/second_look.hpp"

#include <utility>

namespace lwc {

bool SecondLook::confirms(std::size_t slot, bool is_overdue, std::int64_t started_ns) {
  const std::int64_t before = std::exchange(overdue_[slot], is_overdue ? started_ns : 0);
  return is_overdue && before == started_ns;
}

}  // namespace lwc
