// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace lwc::log {

/// php-fpm's severities with its numbers, least important first.
enum class Level : std::uint8_t { Debug = 1, Notice = 2, Warning = 3, Error = 4, Alert = 5 };

/// Where a part of the daemon sends lines that have no logger yet, or must not know one.
using Sink = std::function<void(Level, std::string_view)>;

/// "DEBUG", "NOTICE", "WARNING", "ERROR", "ALERT".
constexpr std::string_view level_name(Level level) {
  switch (level) {
    case Level::Debug:
      return "DEBUG";
    case Level::Notice:
      return "NOTICE";
    case Level::Warning:
      return "WARNING";
    case Level::Error:
      return "ERROR";
    case Level::Alert:
      return "ALERT";
  }
  return "unknown value";
}

}  // namespace lwc::log
