// SPDX-License-Identifier: Apache-2.0
#include "config/constants.hpp"

#include <algorithm>
#include <array>

namespace lwc::config {
namespace {

struct Constant {
  std::string_view name;
  int value;
};
constexpr std::array<Constant, 16> kConstants{{{"E_ERROR", 1},
                                               {"E_WARNING", 2},
                                               {"E_PARSE", 4},
                                               {"E_NOTICE", 8},
                                               {"E_CORE_ERROR", 16},
                                               {"E_CORE_WARNING", 32},
                                               {"E_COMPILE_ERROR", 64},
                                               {"E_COMPILE_WARNING", 128},
                                               {"E_USER_ERROR", 256},
                                               {"E_USER_WARNING", 512},
                                               {"E_USER_NOTICE", 1024},
                                               {"E_STRICT", 2048},
                                               {"E_RECOVERABLE_ERROR", 4096},
                                               {"E_DEPRECATED", 8192},
                                               {"E_USER_DEPRECATED", 16384},
                                               {"E_ALL", 32767}}};

}  // namespace

std::optional<std::string> builtin_constant(std::string_view name) {
  const auto* found =
      std::find_if(kConstants.begin(), kConstants.end(),
                   [name](const Constant& constant) { return constant.name == name; });
  return found == kConstants.end() ? std::nullopt
                                   : std::optional<std::string>(std::to_string(found->value));
}

}  // namespace lwc::config
