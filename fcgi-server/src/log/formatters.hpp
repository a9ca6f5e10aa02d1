// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>
#include <string_view>

namespace lwc::log {

/// What of the present line is not in spdlog's message.
struct LineContext {
  std::string_view pool;  ///< empty: the line concerns the daemon as a whole
};

/// "[22-Nov-2026 10:00:00] NOTICE: text"; with `debug`, also microseconds, pid, function and line.
std::unique_ptr<spdlog::formatter> make_file_formatter(bool debug);
/// "[NOTICE] text", without a line end: syslog adds the rest.
std::unique_ptr<spdlog::formatter> make_syslog_formatter(bool debug, bool line_end);
/// One JSON object a line: time, level, pid, pool, message; with `debug`, also function and line.
std::unique_ptr<spdlog::formatter> make_json_formatter(bool debug, const LineContext* context);

}  // namespace lwc::log
