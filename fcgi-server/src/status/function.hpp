// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scoreboard.hpp"

namespace lwc::status {

/// As php::Host::status() wants them.
struct Row {
  std::string name;
  std::optional<std::string> text;
  std::int64_t number = 0;
};

/// The rows of fpm_get_status(): php-fpm's, and no others, for scripts that compare the whole.
std::vector<Row> function_rows(PoolBoard& board);

}  // namespace lwc::status
