// SPDX-License-Identifier: Apache-2.0
// The tables of all directives: name, where the value goes, how it is read.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "config/values.hpp"

namespace lwc::config {

template <typename Target>
struct Directive {
  std::string_view name;
  Refusal (*read)(Target& target, const std::string& value, ValueContext& context);
};

/// An array: name[key] = value, or name[] = value where it takes no keys.
struct ArrayDirective {
  std::string_view name;
  bool has_keys;
  Refusal (*add)(PoolConfig& pool, const std::string& key, const std::string& value,
                 ValueContext& context);
};

const std::vector<Directive<GlobalConfig>>& global_directives();
const std::vector<Directive<PoolConfig>>& pool_directives();
const std::vector<ArrayDirective>& array_directives();

/// What an administrator may have meant by an unknown entry: text to put behind the message, or
/// empty.
std::string hint_for_unknown(const std::string& name, bool in_pool);

}  // namespace lwc::config
