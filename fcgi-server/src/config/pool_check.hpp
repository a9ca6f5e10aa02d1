// SPDX-License-Identifier: Apache-2.0
// What php-fpm does with one pool once all files are read; see check.hpp.
#pragma once

#include <cstddef>

#include "config/config.hpp"
#include "config/reporter.hpp"

namespace lwc::config {

/// False: config.pools[index] is refused, and the reporter knows why.
bool settle_pool(Config& config, std::size_t index, const Options& options, Reporter& report);

}  // namespace lwc::config
