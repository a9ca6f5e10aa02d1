// SPDX-License-Identifier: Apache-2.0
// What php-fpm does with a configuration once all files are read: defaults that depend on other
// directives, relative paths, refusals. In its order, so that the first complaint is the same.
#pragma once

#include "config/config.hpp"
#include "config/reporter.hpp"

namespace lwc::config {

/// False: refused, and the reporter knows why.
bool settle_global(GlobalConfig& global, const Options& options, Reporter& report);
bool settle_pools(Config& config, const Options& options, Reporter& report);
bool check_access_logs(const Config& config, const Options& options, Reporter& report);

}  // namespace lwc::config
