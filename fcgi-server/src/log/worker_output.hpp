// SPDX-License-Identifier: Apache-2.0
// catch_workers_output: what workers write to their standard output and error, in the log.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>

namespace lwc::log {

class Logger;

/// What is written to standard error at the end of a request: the line is whole. php-fpm's.
inline constexpr std::string_view kEndOfRequest("\0fscf\0", 6);

/// Cuts the bytes of one worker slot into lines of php-fpm's form:
///   [..] WARNING: [pool www] child 4711 said into stderr: "text"
/// Lines that would exceed log_limit go on in a new one. Empty lines are dropped.
class WorkerOutput {
 public:
  struct Options {
    std::string pool;
    bool decorate = true;      ///< decorate_workers_output; false: the text alone
    bool buffered = true;      ///< log_buffering; false: text is passed on before its line is whole
    std::size_t limit = 1024;  ///< log_limit
  };
  /// `prefix` gives what a log line begins with at the moment; `write` takes text with line ends.
  WorkerOutput(Options options, std::function<std::string()> prefix,
               std::function<void(std::string_view)> write);

  /// The usual wiring.
  static WorkerOutput to(Logger& logger, std::string pool, bool decorate);

  /// `bytes` as read from a pipe: parts of lines, several lines, php's mark for "request over".
  void said(pid_t child, bool is_stdout, std::string_view bytes);

  /// The pipe is closed: ends a line that is not whole, and says so in it.
  void closed();

 private:
  void append(std::string_view text);
  void begin_line();
  std::size_t room_after_prefix() const;
  void emit(std::string_view text);
  void end_line(std::string_view suffix);

  Options options_;
  std::function<std::string()> prefix_;
  std::function<void(std::string_view)> write_;
  std::string origin_;         ///< "[pool www] child 4711 said into stderr: "
  std::string held_;           ///< the end of the bytes so far, if it may be the start of a mark
  std::string line_;           ///< not yet written part of the line
  std::size_t length_ = 0;     ///< of the whole line so far, prefix included; 0: no line begun
  std::size_t room_left_ = 0;  ///< bytes of text that still go into this line
};

}  // namespace lwc::log
