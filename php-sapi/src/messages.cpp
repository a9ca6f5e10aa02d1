// SPDX-License-Identifier: Apache-2.0
#include "messages.hpp"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "php.hpp"
#include "request.hpp"
#include "sapi_module.hpp"
#include "snapshot.hpp"

namespace lwc::php {

namespace {

void (*g_report)(const char* text) = nullptr;

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return "DEBUG: ";
    case LogLevel::Notice:
      return "NOTICE: ";
    case LogLevel::Warning:
      return "WARNING: ";
    case LogLevel::Error:
      return "ERROR: ";
    default:
      return "ALERT: ";
  }
}

const PoolOptions& options() {
  static const PoolOptions defaults;
  return pool().options != nullptr ? *pool().options : defaults;
}

struct Freed {
  void operator()(char* text) const { std::free(text); }
};
// Not the engine's memory: the message may be that it is used up.
using Text = std::unique_ptr<char, Freed>;

Text format(const char* form, va_list args) {
  char* text = nullptr;
  return Text(::vasprintf(&text, form, args) < 0 ? nullptr : text);
}

__attribute__((format(printf, 1, 2))) Text format(const char* form, ...) {
  va_list args;
  va_start(args, form);
  Text text = format(form, args);
  va_end(args);
  return text;
}

void tell(LogLevel level, const char* text) {
  if (pool().host != nullptr) {
    pool().host->log(level, text);
  } else if (g_report != nullptr) {
    g_report(text);
  } else {
    std::fprintf(stderr, "%s\n", text);
  }
}

/// Shortens the line to log_limit bytes, its end included, and writes it.
void write_to_stderr(char* line) {
  std::size_t length = std::strlen(line);
  if (length >= options().log_limit) {
    length = options().log_limit - 1;
    std::memcpy(line + length - 3, "...", 3);
  }
  line[length] = '\n';
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line, length + 1);
  line[length] = '\0';
}

/// Over FCGI_STDERR, where fastcgi.logging allows it.
void write_to_web_server(Request& request, const char* text) {
  if (!cgi_settings().logging || request.transport == nullptr || request.finished) {
    return;
  }
  if (request.log_started) {
    request.transport->write_error("; ", 2);
  }
  request.log_started = true;
  request.transport->write_error(text, std::strlen(text));
}

}  // namespace

void report_to(void (*report)(const char* text)) {
  g_report = report;
}

void log(LogLevel level, const char* form, ...) {
  va_list args;
  va_start(args, form);
  const Text text = format(form, args);
  va_end(args);
  if (text) {
    tell(level, text.get());
  }
}

void complain(LogLevel level, const char* form, ...) {
  va_list args;
  va_start(args, form);
  const Text text = format(form, args);
  va_end(args);
  if (!text) {
    return;
  }
  write_to_web_server(current_request(), text.get());
  if (level >= options().log_level) {
    if (const Text line = format("%s%s", name_of(level), text.get())) {
      write_to_stderr(line.get());
    }
  }
}

extern "C" void sapi_log(const char* message, int) noexcept {
  if (!is_serving() || is_warming_up()) {  // nobody's request
    log(LogLevel::Notice, "PHP message: %s", message);
    return;
  }
  // Above this level it is told all the same, but not what it is: php-fpm's way.
  const char* prefix = LogLevel::Notice >= options().log_level ? name_of(LogLevel::Notice) : "";
  if (const Text line = format("%sPHP message: %s", prefix, message)) {
    write_to_stderr(line.get());
    write_to_web_server(current_request(), line.get() + std::strlen(prefix));
  }
}

}  // namespace lwc::php
