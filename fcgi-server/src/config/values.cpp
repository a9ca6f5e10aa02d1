// SPDX-License-Identifier: Apache-2.0
#include "config/values.hpp"

#include <strings.h>
#include <syslog.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

#include "config/ini_parser.hpp"
#include "config/text.hpp"
#include "lwc/engine_traits.hpp"

namespace lwc::config {
namespace {

template <std::size_t N>
bool is_one_of(const std::string& value, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), value) != words.end();
}

constexpr std::array<std::string_view, 4> kTrue{"1", "yes", "true", "on"};
constexpr std::array<std::string_view, 6> kFalse{"", "0", "no", "none", "false", "off"};

struct Facility {
  std::string_view name;
  int code;
};
constexpr std::array<Facility, 20> kFacilities{
    {{"AUTH", LOG_AUTH},     {"AUTHPRIV", LOG_AUTHPRIV}, {"CRON", LOG_CRON},
     {"DAEMON", LOG_DAEMON}, {"FTP", LOG_FTP},           {"KERN", LOG_KERN},
     {"LPR", LOG_LPR},       {"MAIL", LOG_MAIL},         {"NEWS", LOG_NEWS},
     {"SYSLOG", LOG_SYSLOG}, {"USER", LOG_USER},         {"UUCP", LOG_UUCP},
     {"LOCAL0", LOG_LOCAL0}, {"LOCAL1", LOG_LOCAL1},     {"LOCAL2", LOG_LOCAL2},
     {"LOCAL3", LOG_LOCAL3}, {"LOCAL4", LOG_LOCAL4},     {"LOCAL5", LOG_LOCAL5},
     {"LOCAL6", LOG_LOCAL6}, {"LOCAL7", LOG_LOCAL7}}};

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::vector<std::string> split_blanks(const std::string& text) {
  std::vector<std::string> words;
  std::size_t start = 0;
  while ((start = text.find_first_not_of(" \t", start)) != std::string::npos) {
    const std::size_t end = std::min(text.find_first_of(" \t", start), text.size());
    words.push_back(text.substr(start, end - start));
    start = end;
  }
  return words;
}

Refusal read_boolean(bool& target, const std::string& value) {
  if (is_one_of(value, kTrue)) {
    target = true;
  } else if (is_one_of(value, kFalse)) {
    target = false;
  } else {
    return "invalid boolean value";
  }
  return {};
}

Refusal read_string(std::string& target, const std::string& value, const ValueContext& context) {
  constexpr std::string_view kToken = "$pool";
  target.clear();
  std::size_t done = 0;
  for (std::size_t at; (at = value.find(kToken, done)) != std::string::npos;
       done = at + kToken.size()) {
    if (context.pool == nullptr) {
      return "Can't use '$pool' when the pool is not defined";
    }
    target.append(value, done, at - done).append(*context.pool);
  }
  target.append(value, done);
  return {};
}

Refusal read_integer(int& target, const std::string& value, ValueContext& context) {
  const std::size_t digits = !value.empty() && value[0] == '-' ? 1 : 0;
  if (value.find_first_not_of("0123456789", digits) != std::string::npos) {
    return "is not a valid number (greater or equal than zero)";
  }
  target = c_number(value, &context.exact);
  return {};
}

Refusal read_time(int& target, const std::string& value, ValueContext& context) {
  if (value.empty()) {
    return "invalid time value";
  }
  long unit = 1;
  switch (value.back()) {
    case 's':
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 60L * 60;
      break;
    case 'd':
      unit = 24L * 60 * 60;
      break;
    default:
      if (value.back() < '0' || value.back() > '9') {
        return "unknown suffix used in time value";
      }
  }
  const long seconds = unit * c_number(value, &context.exact);
  target = static_cast<int>(seconds);
  context.exact = context.exact && target == seconds;
  return {};
}

Refusal read_size(std::uint64_t& target, const std::string& value) {
  constexpr std::string_view kUnits = "KMG";
  constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
  std::uint64_t number = 0;
  const char* end = value.data() + value.size();
  auto [rest, error] = std::from_chars(value.data(), end, number);
  const std::size_t unit =
      rest == end ? kUnits.npos : kUnits.find(static_cast<char>(std::toupper(*rest)));
  const unsigned shift = unit == kUnits.npos ? 0 : 10 * (static_cast<unsigned>(unit) + 1);
  if (error != std::errc{} || end - rest != (unit == kUnits.npos ? 0 : 1) ||
      number > kMost >> shift) {
    return "not a size (a number of bytes, or of K, M or G)";
  }
  target = number << shift;
  return std::nullopt;
}

Refusal read_log_level(std::optional<log::Level>& target, const std::string& value) {
  for (const log::Level level : {log::Level::Debug, log::Level::Notice, log::Level::Warning,
                                 log::Level::Error, log::Level::Alert}) {
    if (equals_ignoring_case(value, log::level_name(level))) {
      target = level;
      return {};
    }
  }
  if (equals_ignoring_case(value, "warn")) {
    target = log::Level::Warning;
    return {};
  }
  return "invalid value for 'log_level'";
}

Refusal read_syslog_facility(int& target, const std::string& value) {
  for (const Facility& facility : kFacilities) {
    if (equals_ignoring_case(value, facility.name)) {
      target = facility.code;
      return {};
    }
  }
  return "invalid value";
}

Refusal read_rlimit_core(int& target, const std::string& value, ValueContext& context) {
  if (equals_ignoring_case(value, "unlimited")) {
    target = -1;
    return {};
  }
  int number = 0;
  if (Refusal refusal = read_integer(number, value, context)) {
    return refusal;
  }
  if (number < 0) {
    return "must be greater than zero or 'unlimited'";
  }
  target = number;
  return {};
}

Refusal read_process_manager(ProcessManager& target, const std::string& value) {
  if (equals_ignoring_case(value, "static")) {
    target = ProcessManager::Static;
  } else if (equals_ignoring_case(value, "dynamic")) {
    target = ProcessManager::Dynamic;
  } else if (equals_ignoring_case(value, "ondemand")) {
    target = ProcessManager::Ondemand;
  } else {
    return "invalid process manager (static, dynamic or ondemand)";
  }
  return {};
}

Refusal read_engine(std::string& target, const std::string& value, const ValueContext& context) {
  // An unquoted none is one of the INI syntax's words for "no value".
  const std::string& name = context.word.empty() ? value : context.word;
  std::vector<std::string_view> engines{"auto"};
  for (const EngineTraits& traits : kEngineTraits) {
    engines.push_back(traits.name);
  }
  std::string choices;
  for (const std::string_view engine : engines) {
    if (equals_ignoring_case(name, engine)) {
      target = engine;
      return {};
    }
    if (!choices.empty()) {
      choices += engine == engines.back() ? " or " : ", ";
    }
    choices += engine;
  }
  return "invalid engine (" + choices + ")";
}

Refusal read_log_format(LogFormat& target, const std::string& value) {
  if (equals_ignoring_case(value, "text")) {
    target = LogFormat::Text;
  } else if (equals_ignoring_case(value, "json")) {
    target = LogFormat::Json;
  } else {
    return "invalid log format (text or json)";
  }
  return {};
}

Refusal read_warmup(Warmup& target, const std::string& value) {
  const std::vector<std::string> words = split_blanks(value);
  if (words.empty()) {
    return "empty value; give the path of a script, and a URI if it shall see one";
  }
  if (words.size() > 2) {
    return "more than a script and a URI; a blank in a URI is written as %20";
  }
  if (words.size() == 2 && words[1][0] != '/') {
    return concat("the URI '", words[1], "' must start with a '/'");
  }
  target.script = words[0];
  target.uri = words.size() == 2 ? words[1] : "";
  return {};
}

Refusal check_allowed_fd(const std::string& value) {
  const auto tail_after = [&value](std::string_view scheme) -> std::optional<std::string> {
    if (value.compare(0, scheme.size(), scheme) != 0) {
      return {};
    }
    return value.substr(scheme.size());
  };
  if (!value.empty() && value[0] == '/') {
    return {};
  }
  if (const auto path = tail_after("unix:"); path && !path->empty()) {
    return {};
  }
  if (const auto address = tail_after("tcp:")) {
    const std::size_t colon = address->rfind(':');
    const bool has_port = colon != std::string::npos && colon > 0 && colon + 1 < address->size() &&
                          address->find_first_not_of("0123456789", colon + 1) == std::string::npos;
    if (has_port || (colon != std::string::npos && colon > 0 &&
                     address->compare(colon + 1, std::string::npos, "*") == 0)) {
      return {};
    }
  }
  return "must be a path pattern that starts with '/', tcp:host:port or unix:path";
}

}  // namespace lwc::config
