// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lwc/result.hpp"

namespace lwc {

/// apparmor_hat: confines this process, for good, to the profile of that name below its own.
Status enter_apparmor_hat(const std::string& hat);

}  // namespace lwc
