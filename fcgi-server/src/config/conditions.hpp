// SPDX-License-Identifier: Apache-2.0
// What the checks of [global] and of the pools both ask.
#pragma once

#include <optional>
#include <string>

#include "config/config.hpp"

namespace lwc::config {

/// Set, and to more than nothing.
bool given(const std::optional<std::string>& text);

bool is_bad_priority(int priority);

/// Opens and closes, so that a log that cannot be written is known now. Sets errno.
bool can_append(const std::string& path, const Options& options);

bool is_epoll(const GlobalConfig& global);

}  // namespace lwc::config
