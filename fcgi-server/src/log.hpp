// SPDX-License-Identifier: Apache-2.0
// The daemon's log, as the master writes it.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"
#include "lwc/result.hpp"

namespace lwc::log {

/// Starts writing where the configuration says. `to_stderr`: besides, to standard error.
Status open(const config::GlobalConfig& config, bool to_stderr);
/// After log rotation: the file of the same name, made anew.
void reopen();

/// `pool` may be empty: the line concerns the daemon as a whole.
void write(Level level, std::string_view pool, std::string_view text);
void debug(std::string_view pool, std::string_view text);
void notice(std::string_view pool, std::string_view text);
void warning(std::string_view pool, std::string_view text);
void error(std::string_view pool, std::string_view text);

}  // namespace lwc::log
