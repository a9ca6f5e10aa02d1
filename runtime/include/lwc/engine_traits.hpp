// SPDX-License-Identifier: Apache-2.0
// Which engines there are, and what holds of each on every machine: for those who ask without being
// able to run one, such as the configuration.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace lwc {

struct EngineTraits {
  std::string_view name;
  bool automatic;  ///< `auto` may take it
  bool isolates;   ///< keeps requests apart; false: for measuring only
  bool portable;   ///< works wherever the daemon does
};

/// In the order of preference of `auto`.
inline constexpr std::array<EngineTraits, 4> kEngineTraits{{
    {.name = "kernel", .automatic = true, .isolates = true, .portable = false},
    {.name = "rollback", .automatic = true, .isolates = true, .portable = false},
    {.name = "fork", .automatic = true, .isolates = true, .portable = true},
    {.name = "none", .automatic = false, .isolates = false, .portable = true},
}};

/// Whether requests are kept apart when a pool asks for this engine. `auto` takes none that does
/// not.
constexpr bool engine_isolates(std::string_view name) {
  return std::ranges::none_of(
      kEngineTraits, [name](const EngineTraits& e) { return e.name == name && !e.isolates; });
}

/// One that keeps requests apart on every machine, for what does not need speed.
constexpr std::string_view portable_engine() {
  return std::ranges::find_if(kEngineTraits,
                              [](const EngineTraits& e) { return e.portable && e.isolates; })
      ->name;
}

}  // namespace lwc
