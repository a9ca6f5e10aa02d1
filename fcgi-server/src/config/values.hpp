// SPDX-License-Identifier: Apache-2.0
// From the text of a value to its type, with php-fpm's rules and refusals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace lwc::config {

/// What a value is read with, and what was noticed on the way.
struct ValueContext {
  const std::string* pool = nullptr;  ///< name of the current pool; null in [global]
  std::string word;                   ///< IniValue::word
  bool exact = true;  ///< false: a number did not fit and was cut as php-fpm cuts it
};

/// Why a value is refused, in words that follow "unable to parse value for entry 'x': ".
using Refusal = std::optional<std::string>;

Refusal read_boolean(bool& target, const std::string& value);
Refusal read_string(std::string& target, const std::string& value, const ValueContext& context);
Refusal read_integer(int& target, const std::string& value, ValueContext& context);
/// Seconds; units s, m, h, d.
Refusal read_time(int& target, const std::string& value, ValueContext& context);
/// Bytes; units K, M, G.
Refusal read_size(std::uint64_t& target, const std::string& value);
Refusal read_log_level(std::optional<log::Level>& target, const std::string& value);
Refusal read_syslog_facility(int& target, const std::string& value);
Refusal read_rlimit_core(int& target, const std::string& value, ValueContext& context);
Refusal read_process_manager(ProcessManager& target, const std::string& value);

Refusal read_engine(std::string& target, const std::string& value, const ValueContext& context);
Refusal read_log_format(LogFormat& target, const std::string& value);
Refusal read_warmup(Warmup& target, const std::string& value);
/// Checks one entry of lwc.snapshot_allow_fds[].
Refusal check_allowed_fd(const std::string& value);

bool equals_ignoring_case(std::string_view a, std::string_view b);
std::vector<std::string> split_blanks(const std::string& text);

}  // namespace lwc::config
