// SPDX-License-Identifier: Apache-2.0
#include "log/access_format.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>

namespace lwc::log {
namespace {

/// Longest text between braces.
constexpr std::size_t kMaxArgument = 128;

std::string printed(const char* format, double value) {
  std::array<char, 64> buffer;
  const int length = std::snprintf(buffer.data(), buffer.size(), format, value);
  return std::string(buffer.data(), std::min<std::size_t>(length < 0 ? 0 : length, 63));
}

std::string or_dash(std::string_view text) {
  return text.empty() ? "-" : std::string(text);
}

bool is_word(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(),
                     [&text](const char* word) { return strcasecmp(text.c_str(), word) == 0; });
}

std::string local_time(std::time_t when, const std::string& format) {
  std::tm broken_down{};
  localtime_r(&when, &broken_down);
  std::array<char, kMaxArgument> buffer;
  const std::size_t length =
      std::strftime(buffer.data(), buffer.size(),
                    format.empty() ? "%d/%b/%Y:%H:%M:%S %z" : format.c_str(), &broken_down);
  return std::string(buffer.data(), length);
}

using Facts = const RequestFacts&;
using Text = const std::string&;

std::string cpu(Facts facts, Text which) {
  const auto used = is_word(which, {"user"})     ? facts.cpu_user
                    : is_word(which, {"system"}) ? facts.cpu_system
                                                 : facts.cpu_user + facts.cpu_system;
  const double share =
      facts.duration.count() == 0
          ? 0.0
          : static_cast<double>(used.count()) / static_cast<double>(facts.duration.count());
  return printed("%.2f", share * 100.0);
}

std::string duration(Facts facts, Text unit) {
  const auto count = static_cast<double>(facts.duration.count());
  if (is_word(unit, {"", "seconds"})) {
    return printed("%.3f", count / 1e6);
  }
  if (is_word(unit, {"microseconds", "micro"})) {
    return std::to_string(facts.duration.count());
  }
  return printed("%.3f", count / 1e3);
}

std::string memory(Facts facts, Text unit) {
  const std::uint64_t divisor = is_word(unit, {"", "bytes"})           ? 1
                                : is_word(unit, {"kilobytes", "kilo"}) ? 1024
                                                                       : 1024 * 1024;
  return std::to_string(facts.peak_memory / divisor);
}

struct Letter {
  char letter;
  /// Takes text in braces: never, if it likes, or always.
  enum class Braces { Never, Optional, Required } braces;
  std::string (*print)(Facts facts, Text text);
  /// The words allowed in braces; none: any text.
  std::vector<const char*> words;
  const char* complaint;
};

const std::vector<Letter>& letters() {
  using Braces = Letter::Braces;
  // php-fpm knows both spellings of milliseconds.
  static const std::vector<Letter> table{
      {'%', Braces::Never, [](Facts, Text) { return std::string("%"); }, {}, ""},
      {'C',
       Braces::Optional,
       cpu,
       {"total", "user", "system"},
       "only 'total', 'user' or 'system' are allowed as a modifier for %"},
      {'d',
       Braces::Optional,
       duration,
       {"seconds", "milliseconds", "milli", "miliseconds", "mili", "microseconds", "micro"},
       "only 'seconds', 'milli', 'milliseconds', 'micro' or 'microseconds' are allowed as a "
       "modifier for %"},
      {'e',
       Braces::Required,
       [](Facts facts, Text name) { return or_dash(facts.param ? facts.param(name) : ""); },
       {},
       "the name of the environment variable must be set between embraces for %"},
      {'f', Braces::Never, [](Facts facts, Text) { return or_dash(facts.script); }, {}, ""},
      {'l',
       Braces::Never,
       [](Facts facts, Text) { return std::to_string(facts.content_length); },
       {},
       ""},
      {'m', Braces::Never, [](Facts facts, Text) { return or_dash(facts.method); }, {}, ""},
      {'M',
       Braces::Optional,
       memory,
       {"bytes", "kilobytes", "kilo", "megabytes", "mega"},
       "only 'bytes', 'kilo', 'kilobytes', 'mega' or 'megabytes' are allowed as a modifier for %"},
      {'n', Braces::Never, [](Facts facts, Text) { return or_dash(facts.pool); }, {}, ""},
      {'o',
       Braces::Required,
       [](Facts facts, Text name) { return or_dash(facts.header ? facts.header(name) : ""); },
       {},
       "the name of the header must be set between embraces for %"},
      {'p', Braces::Never, [](Facts facts, Text) { return std::to_string(facts.pid); }, {}, ""},
      {'P',
       Braces::Never,
       [](Facts facts, Text) { return std::to_string(facts.parent_pid); },
       {},
       ""},
      {'q', Braces::Never, [](Facts facts, Text) { return std::string(facts.query); }, {}, ""},
      {'Q',
       Braces::Never,
       [](Facts facts, Text) { return std::string(facts.query.empty() ? "" : "?"); },
       {},
       ""},
      {'r', Braces::Never, [](Facts facts, Text) { return std::string(facts.uri); }, {}, ""},
      {'R', Braces::Never, [](Facts facts, Text) { return or_dash(facts.remote_addr); }, {}, ""},
      {'s', Braces::Never, [](Facts facts, Text) { return std::to_string(facts.status); }, {}, ""},
      {'t',
       Braces::Optional,
       [](Facts facts, Text format) { return local_time(facts.accepted, format); },
       {},
       ""},
      {'T',
       Braces::Optional,
       [](Facts facts, Text format) { return local_time(facts.finished, format); },
       {},
       ""},
      {'u', Braces::Never, [](Facts facts, Text) { return std::string(facts.user); }, {}, ""},
  };
  return table;
}

const Letter* find_letter(char letter) {
  const auto found = std::find_if(letters().begin(), letters().end(),
                                  [letter](const Letter& known) { return known.letter == letter; });
  return found == letters().end() ? nullptr : &*found;
}

/// What is wrong with `argument` before `letter`; empty: nothing.
std::string complaint(const Letter& letter, const std::string& argument) {
  using Braces = Letter::Braces;
  if (letter.braces == Braces::Never && !argument.empty()) {
    return std::string("embrace is not allowed for modifier %") + letter.letter;
  }
  if (letter.braces == Braces::Required && argument.empty()) {
    return std::string(letter.complaint) + letter.letter;
  }
  const bool is_allowed =
      argument.empty() || letter.words.empty() ||
      std::any_of(letter.words.begin(), letter.words.end(), [&argument](const char* word) {
        return strcasecmp(argument.c_str(), word) == 0;
      });
  return is_allowed ? "" : std::string(letter.complaint) + letter.letter + " ('" + argument + "')";
}

}  // namespace

Result<AccessFormat> AccessFormat::parse(std::string_view format) {
  AccessFormat result;
  std::string literal;
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      literal += format[at];
      continue;
    }
    std::string argument;
    while (++at < format.size() && format[at] == '{') {
      const std::size_t close = format.find('}', at);
      if (close == std::string_view::npos || close + 1 == format.size()) {
        return Error{"missing closing embrace in the access.format"};
      }
      argument = format.substr(at + 1, std::min(close - at - 1, kMaxArgument));
      at = close;
    }
    if (at >= format.size()) {
      break;  // a single % at the end means nothing
    }
    const Letter* letter = find_letter(format[at]);
    if (letter == nullptr) {
      return Error{std::string("Invalid token in the access.format (%") + format[at] + ")"};
    }
    if (std::string wrong = complaint(*letter, argument); !wrong.empty()) {
      return Error{std::move(wrong)};
    }
    if (format[at] == 'e') {
      result.params_.push_back(argument);
    }
    result.parts_.push_back({std::exchange(literal, {}), nullptr});
    result.parts_.push_back({std::move(argument), letter->print});
  }
  result.parts_.push_back({std::move(literal), nullptr});
  return result;
}

std::string AccessFormat::format(const RequestFacts& facts, bool* truncated) const {
  std::string line;
  for (const Part& part : parts_) {
    line += part.print == nullptr ? part.text : part.print(facts, part.text);
    if (line.size() > kMaxLine) {
      line.resize(kMaxLine);
      if (truncated != nullptr) {
        *truncated = true;
      }
      break;
    }
  }
  return line;
}

bool is_suppressed(const RequestFacts& facts, const std::vector<std::string>& paths) {
  return facts.query.empty() && (facts.method == "GET" || facts.method == "HEAD") &&
         facts.status >= 200 && facts.status <= 299 && facts.content_length == 0 &&
         std::find(paths.begin(), paths.end(), facts.uri) != paths.end();
}

}  // namespace lwc::log
