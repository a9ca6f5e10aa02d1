// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lwc::config {

/// The value of one of PHP's E_* constants, for values such as `E_ALL & ~E_NOTICE` where no PHP is
/// at hand to be asked.
std::optional<std::string> builtin_constant(std::string_view name);

}  // namespace lwc::config
