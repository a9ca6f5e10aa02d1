// SPDX-License-Identifier: Apache-2.0
// Where log lines go. One write() a line, so that lines of several processes do not mix, and no
// buffer that a fork would duplicate.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <string>
#include <string_view>

namespace lwc::log {

/// Writes all of `text`, except that an error ends it: there is nobody to tell.
void write_fully(int fd, std::string_view text);

/// Cuts lines that php-fpm cuts: those of 2048 bytes and more, to `limit`.
class FdSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  /// `fd` stays the caller's. `limit`: log_limit.
  FdSink(int fd, std::size_t limit) : fd_(fd), limit_(limit) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  int fd_;
  std::size_t limit_;
};

class SyslogSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  SyslogSink(std::string ident, int facility);
  ~SyslogSink() override;
  SyslogSink(const SyslogSink&) = delete;
  SyslogSink& operator=(const SyslogSink&) = delete;

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  const std::string ident_;  ///< syslog(3) keeps a pointer to it
};

}  // namespace lwc::log
