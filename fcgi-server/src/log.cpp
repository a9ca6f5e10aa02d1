// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace lwc::log {
namespace {

std::shared_ptr<spdlog::logger> g_logger = spdlog::stderr_logger_st("lwc-fpm");
std::string g_path;

void write_line(spdlog::level::level_enum level, const char* name, std::string_view pool,
                std::string_view text) {
  if (pool.empty()) {
    g_logger->log(level, "{}: {}", name, text);
  } else {
    g_logger->log(level, "{}: [pool {}] {}", name, pool, text);
  }
}

Status make_logger(bool to_stderr) {
  try {
    std::vector<spdlog::sink_ptr> sinks;
    if (!g_path.empty() && g_path != "/dev/stderr") {
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_st>(g_path));
    }
    if (to_stderr || sinks.empty()) {
      sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_st>());
    }
    g_logger = std::make_shared<spdlog::logger>("lwc-fpm", sinks.begin(), sinks.end());
    g_logger->set_pattern("[%d-%b-%Y %H:%M:%S] %v");
    g_logger->flush_on(spdlog::level::trace);
    return ok();
  } catch (const spdlog::spdlog_ex& failed) {
    return Error{failed.what()};
  }
}

}  // namespace

Status open(const config::GlobalConfig& config, bool to_stderr) {
  g_path = config.error_log;
  Status made = make_logger(to_stderr);
  if (made) {
    switch (config.effective_log_level()) {
      case Level::Debug:
        g_logger->set_level(spdlog::level::debug);
        break;
      case Level::Notice:
        g_logger->set_level(spdlog::level::info);
        break;
      case Level::Warning:
        g_logger->set_level(spdlog::level::warn);
        break;
      default:
        g_logger->set_level(spdlog::level::err);
    }
  }
  return made;
}

void reopen() {
  auto level = g_logger->level();
  if (make_logger(g_path.empty())) {
    g_logger->set_level(level);
  }
}

void write(Level level, std::string_view pool, std::string_view text) {
  switch (level) {
    case Level::Debug:
      return debug(pool, text);
    case Level::Notice:
      return notice(pool, text);
    case Level::Warning:
      return warning(pool, text);
    default:
      return error(pool, text);
  }
}

void debug(std::string_view pool, std::string_view text) {
  write_line(spdlog::level::debug, "DEBUG", pool, text);
}

void notice(std::string_view pool, std::string_view text) {
  write_line(spdlog::level::info, "NOTICE", pool, text);
}

void warning(std::string_view pool, std::string_view text) {
  write_line(spdlog::level::warn, "WARNING", pool, text);
}

void error(std::string_view pool, std::string_view text) {
  write_line(spdlog::level::err, "ERROR", pool, text);
}

}  // namespace lwc::log
