// SPDX-License-Identifier: Apache-2.0
// The daemon's log, as the master writes it: the one log::Logger of the process.
#pragma once

#include <source_location>
#include <string_view>

#include "config/config.hpp"
#include "log/level.hpp"
#include "lwc/result.hpp"

namespace lwc::log {

class Logger;
Logger& logger();

/// Starts writing where the configuration says. `force_stderr` (-O): in the foreground, to standard
/// error even if that is no terminal.
Status open(const config::GlobalConfig& config, bool force_stderr);
/// The daemon serves: from here on lines go to the log alone, and standard error with them.
void launched();
/// After log rotation: the file of the same name, made anew. On failure the old one goes on.
Status reopen();

// `pool` may be empty: the line concerns the daemon as a whole. Where the call stands is shown when
// log_level is debug.
using Where = std::source_location;
void write(Level level, std::string_view pool, std::string_view text, Where = Where::current());
void debug(std::string_view pool, std::string_view text, Where = Where::current());
void notice(std::string_view pool, std::string_view text, Where = Where::current());
void warning(std::string_view pool, std::string_view text, Where = Where::current());
void error(std::string_view pool, std::string_view text, Where = Where::current());
void alert(std::string_view pool, std::string_view text, Where = Where::current());

}  // namespace lwc::log

namespace lwc {

/// What a worker says of itself on its standard error, as php-fpm's children do: it reaches the
/// error log if catch_workers_output is on.
void worker_error(std::string_view text);

}  // namespace lwc
