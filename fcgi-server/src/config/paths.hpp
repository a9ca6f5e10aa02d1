// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace lwc::config {

// What relative paths are relative to when no prefix is given: php-fpm's own built-in directories,
// so that its files mean the same here.
inline constexpr const char* kBuiltInPrefix = "/usr";
inline constexpr const char* kLocalStateDir = "/var";

using OptionalPath = std::optional<std::string>;

/// Makes `path` absolute in php-fpm's way: relative to the pool's prefix, else to the global one
/// (-p), else to `fallback`. An empty path becomes the prefix
/// and a slash.
void make_absolute(std::string& path, const OptionalPath& pool_prefix,
                   const OptionalPath& global_prefix, const char* fallback = kBuiltInPrefix);

bool is_directory(const std::string& path);

}  // namespace lwc::config
