// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <unistd.h>

#include "log/logger.hpp"

namespace lwc::log {

Logger& logger() {
  static Logger the_logger;
  return the_logger;
}

Status open(const config::GlobalConfig& config, bool force_stderr) {
  LoggerSettings settings;
  settings.path = config.error_log;
  settings.level = config.effective_log_level();
  settings.limit = static_cast<std::size_t>(config.log_limit);
  settings.buffered = config.log_buffering;
  settings.json = config.log_format == config::LogFormat::Json;
  settings.syslog_ident = config.syslog_ident;
  settings.syslog_facility = config.syslog_facility;
  settings.use_path = config.daemonize || (::isatty(STDERR_FILENO) == 0 && !force_stderr);
  settings.keep_stderr = !config.daemonize;
  return logger().open(std::move(settings));
}

void launched() {
  logger().launched();
}

Status reopen() {
  return logger().reopen();
}

void write(Level level, std::string_view pool, std::string_view text, Where where) {
  logger().write(level, pool, text, where);
}

void debug(std::string_view pool, std::string_view text, Where where) {
  write(Level::Debug, pool, text, where);
}

void notice(std::string_view pool, std::string_view text, Where where) {
  write(Level::Notice, pool, text, where);
}

void warning(std::string_view pool, std::string_view text, Where where) {
  write(Level::Warning, pool, text, where);
}

void error(std::string_view pool, std::string_view text, Where where) {
  write(Level::Error, pool, text, where);
}

void alert(std::string_view pool, std::string_view text, Where where) {
  write(Level::Alert, pool, text, where);
}

}  // namespace lwc::log

namespace lwc {

void worker_error(std::string_view text) {
  const std::string line = "ERROR: " + std::string(text) + "\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace lwc
