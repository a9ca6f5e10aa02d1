// SPDX-License-Identifier: Apache-2.0
// Statements of PHP's INI syntax. php-fpm parses its files line by line, so there is no statement
// over several lines, and an error in one line is known before the next is read.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lwc/result.hpp"

namespace lwc::config {

struct IniValue {
  std::string text;
  std::string word;  ///< an unquoted yes, no, none, null ... as it was written; else empty
};

/// What the statements of a line are given to, in order.
class IniHandler {
 public:
  virtual ~IniHandler() = default;
  virtual void section(const std::string& name) = 0;
  virtual void entry(const std::string& name, const IniValue& value) = 0;
  virtual void element(const std::string& name, const std::string& key, const IniValue& value) = 0;
  /// A name without `=`.
  virtual void bare(const std::string& name) = 0;
};

/// What names in values stand for.
struct IniNames {
  std::function<std::optional<std::string>(std::string_view)> constant;    ///< E_ALL
  std::function<std::optional<std::string>(const std::string&)> variable;  ///< ${HOME}
};

/// Parses one line (its line end included). Statements before a syntax error have reached the
/// handler. The error says what is wrong and what to do, not where.
Status parse_ini_line(std::string_view line, const IniNames& names, IniHandler& handler);

/// What C's atoi() makes of `text` on this platform, overflow included: php-fpm reads its numbers
/// with it. Clears `exact` if digits were lost.
int c_number(const std::string& text, bool* exact = nullptr);

}  // namespace lwc::config
