// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

#include "config/text.hpp"
#include "log/level.hpp"
#include "lwc/result.hpp"

namespace lwc::config {

/// Passes lines on to the sink, and keeps the first one that is an error.
class Reporter {
 public:
  explicit Reporter(const log::Sink& sink) : sink_(sink) {}

  void set_level(log::Level level) { level_ = level; }

  template <typename... Parts>
  void say(log::Level level, const Parts&... parts) {
    const std::string text = concat(parts...);
    if (level >= log::Level::Error && first_error_.empty()) {
      first_error_ = text;
    }
    if (level >= level_ && sink_) {
      sink_(level, text);
    }
  }

  /// An error that ends in the text of errno, as php-fpm writes it.
  template <typename... Parts>
  void system_error(const Parts&... parts) {
    const int errnum = errno;
    say(log::Level::Error, parts..., ": ", std::strerror(errnum), " (", errnum, ")");
  }

  Error error() const { return Error{first_error_.empty() ? "no reason given" : first_error_}; }

 private:
  const log::Sink& sink_;
  log::Level level_ = log::Level::Notice;
  std::string first_error_;
};

}  // namespace lwc::config
