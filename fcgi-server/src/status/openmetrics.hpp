// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "status/figures.hpp"

namespace lwc::status {

/// The page that Prometheus reads. `own`: with lwcfpm_* after php-fpm's phpfpm_*.
std::string render_openmetrics(const Figures& figures, bool own);

}  // namespace lwc::status
