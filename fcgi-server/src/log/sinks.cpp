// SPDX-License-Identifier: Apache-2.0
#include "log/sinks.hpp"

#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace lwc::log {
namespace {

constexpr std::size_t kLongestLine = 2048;

int priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::info:
      return LOG_NOTICE;
    case spdlog::level::warn:
      return LOG_WARNING;
    case spdlog::level::err:
      return LOG_ERR;
    case spdlog::level::critical:
      return LOG_ALERT;
    default:
      return LOG_DEBUG;
  }
}

}  // namespace

void write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written > 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (written == 0 || errno != EINTR) {
      return;
    }
  }
}

void FdSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (line.size() > kLongestLine) {
    constexpr std::string_view kCut = "...\n";
    line.resize(std::min(kLongestLine, limit_));
    std::copy(kCut.begin(), kCut.end(), line.end() - kCut.size());
  }
  write_fully(fd_, {line.data(), line.size()});
}

SyslogSink::SyslogSink(std::string ident, int facility) : ident_(std::move(ident)) {
  ::openlog(ident_.c_str(), LOG_PID | LOG_CONS, facility);
}

SyslogSink::~SyslogSink() {
  ::closelog();
}

void SyslogSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  ::syslog(priority_of(message.level), "%.*s", static_cast<int>(line.size()), line.data());
}

}  // namespace lwc::log
