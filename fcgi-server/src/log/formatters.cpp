// SPDX-License-Identifier: Apache-2.0
#include "log/formatters.hpp"

#include <spdlog/pattern_formatter.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace lwc::log {
namespace {

const char* name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::info:
      return "NOTICE";
    case spdlog::level::warn:
      return "WARNING";
    case spdlog::level::err:
      return "ERROR";
    case spdlog::level::critical:
      return "ALERT";
    default:
      return "DEBUG";
  }
}

/// php-fpm's names for spdlog's levels, as %* in a pattern.
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view name = name_of(message.level);
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelName>();
  }
};

std::unique_ptr<spdlog::formatter> make_pattern(const std::string& pattern, bool line_end) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::local,
                                                               line_end ? "\n" : "");
  formatter->add_flag<LevelName>('*').set_pattern(pattern);
  return formatter;
}

class JsonFormatter : public spdlog::formatter {
 public:
  JsonFormatter(bool debug, const LineContext* context) : debug_(debug), context_(context) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    nlohmann::ordered_json line;
    line["time"] = time_text(message.time);
    line["level"] = name_of(message.level);
    line["pid"] = ::getpid();
    if (!context_->pool.empty()) {
      line["pool"] = std::string(context_->pool);
    }
    line["message"] = std::string(message.payload.data(), message.payload.size());
    if (debug_ && !message.source.empty()) {
      line["function"] = message.source.funcname;
      line["line"] = message.source.line;
    }
    // What PHP scripts say need not be UTF-8.
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<formatter> clone() const override {
    return std::make_unique<JsonFormatter>(debug_, context_);
  }

 private:
  /// RFC 3339, with microseconds and the zone's offset.
  static std::string time_text(spdlog::log_clock::time_point when) {
    const std::time_t seconds = spdlog::log_clock::to_time_t(when);
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(when.time_since_epoch()).count() %
        1'000'000;
    std::tm broken_down{};
    ::localtime_r(&seconds, &broken_down);
    std::array<char, 32> date;
    std::array<char, 16> zone;
    std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &broken_down);
    std::strftime(zone.data(), zone.size(), "%z", &broken_down);
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%s.%06d%.3s:%s", date.data(), static_cast<int>(micros),
                  zone.data(), zone.data() + 3);
    return text.data();
  }

  bool debug_;
  const LineContext* context_;
};

}  // namespace

std::unique_ptr<spdlog::formatter> make_file_formatter(bool debug) {
  return make_pattern(
      debug ? "[%d-%b-%Y %H:%M:%S.%f] %*: pid %P, %!(), line %#: %v" : "[%d-%b-%Y %H:%M:%S] %*: %v",
      true);
}

std::unique_ptr<spdlog::formatter> make_syslog_formatter(bool debug, bool line_end) {
  return make_pattern(debug ? "[%*] %!(), line %#: %v" : "[%*] %v", line_end);
}

std::unique_ptr<spdlog::formatter> make_json_formatter(bool debug, const LineContext* context) {
  return std::make_unique<JsonFormatter>(debug, context);
}

}  // namespace lwc::log
