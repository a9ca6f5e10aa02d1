// SPDX-License-Identifier: Apache-2.0
// The daemon's log in php-fpm's format: error_log, syslog or standard error.
//
// The master alone writes it. Tools parse these lines, so their form is php-fpm's to the byte.
#pragma once

#include <memory>
#include <source_location>
#include <string>
#include <string_view>

#include "log/formatters.hpp"
#include "log/level.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace spdlog {
class logger;
}

namespace lwc::log {

struct LoggerSettings {
  std::string path;  ///< a file, or "syslog" in any case
  Level level = Level::Notice;
  std::size_t limit = 1024;  ///< log_limit, bytes
  bool buffered = true;      ///< log_buffering: of what workers say, only whole lines are written
  bool json = false;
  std::string syslog_ident = "php-fpm";
  int syslog_facility = 0;
  /// False: a person looks on (foreground on a terminal, or -O); the path is opened, so that its
  /// faults are known, but standard error gets the lines.
  bool use_path = true;
  /// What standard error was before launched() is kept, for OriginalStderr. Not for a daemon: it
  /// has none.
  bool keep_stderr = false;
};

class Logger {
 public:
  /// To standard error, until open() is called.
  Logger();
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  /// On failure the error has php-fpm's words and logging goes on as before. Until launched(),
  /// lines go to standard error besides.
  Status open(LoggerSettings settings);

  /// The daemon serves. From now on standard error is the log as well (or /dev/null where the log
  /// is syslog), unless a person looks on.
  void launched();

  /// After log rotation: the file of the same name, made anew under the descriptor of the old one.
  Status reopen();

  /// `pool` may be empty: the line concerns the daemon as a whole.
  void write(Level level, std::string_view pool, std::string_view text,
             std::source_location where = std::source_location::current());

  bool is_enabled(Level level) const { return level >= settings_.level; }
  const LoggerSettings& settings() const { return settings_; }

  /// For worker output: what a line of this level begins with; empty for JSON.
  std::string prefix(Level level) const;
  /// Writes as it stands, to where lines go.
  void write_raw(std::string_view text);

  /// Standard error as it was before launched(); -1: it is the same still, or was not kept.
  int original_stderr() const { return original_stderr_.get(); }
  /// In a pool's process, whose lines go to the master: what serves requests must not have what the
  /// log is written to.
  void forget_files();
  /// Standard error as launched() leaves it.
  void redirect_stderr() const;

 private:
  void make_sinks();
  bool to_syslog() const;
  int line_fd() const;
  bool copies_to_stderr() const;

  LoggerSettings settings_;
  UniqueFd file_;
  UniqueFd original_stderr_;
  bool opened_ = false;
  bool launched_ = false;
  LineContext context_;
  std::shared_ptr<spdlog::logger> logger_;
};

/// While it lives, standard error is what the daemon was started with: what /dev/stderr means to an
/// administrator, and what a successor has to start with.
class OriginalStderr {
 public:
  explicit OriginalStderr(const Logger& logger);
  ~OriginalStderr();
  OriginalStderr(const OriginalStderr&) = delete;
  OriginalStderr& operator=(const OriginalStderr&) = delete;

 private:
  const Logger& logger_;
};

}  // namespace lwc::log
