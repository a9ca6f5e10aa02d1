// SPDX-License-Identifier: Apache-2.0
#include "log/logger.hpp"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "log/sinks.hpp"

namespace lwc::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::Debug:
      return spdlog::level::debug;
    case Level::Notice:
      return spdlog::level::info;
    case Level::Warning:
      return spdlog::level::warn;
    case Level::Error:
      return spdlog::level::err;
    case Level::Alert:
      return spdlog::level::critical;
  }
  return spdlog::level::err;
}

Result<UniqueFd> open_log(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
                     S_IRUSR | S_IWUSR));
  if (!fd) {
    const int errnum = errno;
    return Error{"failed to open error_log (" + path + "): " + std::strerror(errnum) + " (" +
                 std::to_string(errnum) + ")"};
  }
  return fd;
}

/// "run" of "void lwc::Master::run()".
std::string short_name(const char* function) {
  std::string_view name = function;
  name = name.substr(0, name.find('('));
  const std::size_t start = name.find_last_of(" :*&");
  return std::string(start == std::string_view::npos ? name : name.substr(start + 1));
}

/// After a reload standard error is the log already; a line shall not stand there twice.
bool is_same_file(int a, int b) {
  struct stat first {};
  struct stat second {};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

}  // namespace

Logger::Logger() {
  make_sinks();
}

Logger::~Logger() = default;

bool Logger::to_syslog() const {
  return opened_ && strcasecmp(settings_.path.c_str(), "syslog") == 0;
}

/// Where lines go besides syslog.
int Logger::line_fd() const {
  return opened_ && settings_.use_path && file_ ? file_.get() : STDERR_FILENO;
}

bool Logger::copies_to_stderr() const {
  return !launched_ && opened_ && settings_.use_path &&
         (to_syslog() || !is_same_file(line_fd(), STDERR_FILENO));
}

Status Logger::open(LoggerSettings settings) {
  UniqueFd file;
  if (strcasecmp(settings.path.c_str(), "syslog") != 0) {
    Result<UniqueFd> opened = open_log(settings.path);
    if (!opened) {
      return opened.error();
    }
    file = std::move(*opened);
  }
  logger_.reset();  // closes syslog before it is opened again
  settings_ = std::move(settings);
  file_ = std::move(file);
  opened_ = true;
  make_sinks();
  return ok();
}

void Logger::make_sinks() {
  const bool debug = settings_.level == Level::Debug;
  const bool syslog = to_syslog() && settings_.use_path;
  std::vector<spdlog::sink_ptr> sinks;
  const auto add = [&](std::shared_ptr<spdlog::sinks::sink> sink, bool is_syslog) {
    sink->set_formatter(settings_.json ? make_json_formatter(debug, &context_)
                        : syslog       ? make_syslog_formatter(debug, !is_syslog)
                                       : make_file_formatter(debug));
    sinks.push_back(std::move(sink));
  };
  if (syslog) {
    add(std::make_shared<SyslogSink>(settings_.syslog_ident, settings_.syslog_facility), true);
  } else {
    add(std::make_shared<FdSink>(line_fd(), settings_.limit), false);
  }
  if (copies_to_stderr()) {
    auto sink = std::make_shared<FdSink>(STDERR_FILENO, settings_.limit);
    sink->set_level(spdlog::level::info);
    add(std::move(sink), false);
  }
  logger_ = std::make_shared<spdlog::logger>("lwc-fpm", sinks.begin(), sinks.end());
  logger_->set_level(to_spdlog(settings_.level));
}

void Logger::forget_files() {
  original_stderr_.reset();
  file_.reset();
  make_sinks();
}

void Logger::redirect_stderr() const {
  if (!settings_.use_path || !opened_) {
    return;
  }
  if (file_) {
    ::dup2(file_.get(), STDERR_FILENO);
  } else if (const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC)); null) {
    ::dup2(null.get(), STDERR_FILENO);
  }
}

void Logger::launched() {
  if (settings_.keep_stderr && settings_.use_path && opened_) {
    original_stderr_.reset(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  }
  redirect_stderr();
  launched_ = true;
  logger_.reset();
  make_sinks();
}

Status Logger::reopen() {
  if (!file_) {
    return ok();
  }
  Result<UniqueFd> anew = open_log(settings_.path);
  if (!anew) {
    return anew.error();
  }
  if (::dup3(anew->get(), file_.get(), O_CLOEXEC) < 0) {
    return errno_error("cannot replace the log's descriptor");
  }
  if (launched_) {
    redirect_stderr();
  }
  return ok();
}

void Logger::write(Level level, std::string_view pool, std::string_view text,
                   std::source_location where) {
  if (!is_enabled(level)) {
    return;
  }
  const std::string function = short_name(where.function_name());
  const spdlog::source_loc source{where.file_name(), static_cast<int>(where.line()),
                                  function.c_str()};
  if (settings_.json) {
    context_.pool = pool;
    logger_->log(source, to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
    context_.pool = {};
    return;
  }
  std::string line;
  if (!pool.empty()) {
    line.append("[pool ").append(pool).append("] ");
  }
  line.append(text);
  logger_->log(source, to_spdlog(level), spdlog::string_view_t(line));
}

std::string Logger::prefix(Level level) const {
  if (settings_.json) {
    return {};
  }
  const bool debug = settings_.level == Level::Debug;
  const auto formatter = to_syslog() && settings_.use_path ? make_syslog_formatter(debug, true)
                                                           : make_file_formatter(debug);
  const spdlog::source_loc source{__FILE__, __LINE__, "child_said"};
  const spdlog::details::log_msg message(source, "lwc-fpm", to_spdlog(level), "");
  spdlog::memory_buf_t text;
  formatter->format(message, text);
  return std::string(text.data(), text.size() - 1);
}

void Logger::write_raw(std::string_view text) {
  write_fully(line_fd(), text);
  if (copies_to_stderr()) {
    write_fully(STDERR_FILENO, text);
  }
}

OriginalStderr::OriginalStderr(const Logger& logger) : logger_(logger) {
  if (logger_.original_stderr() >= 0) {
    ::dup2(logger_.original_stderr(), STDERR_FILENO);
  }
}

OriginalStderr::~OriginalStderr() {
  if (logger_.original_stderr() >= 0) {
    logger_.redirect_stderr();
  }
}

}  // namespace lwc::log
