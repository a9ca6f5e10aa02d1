// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lwc::status {

/// live.html: a page that asks for the status every few seconds and shows it.
std::string_view live_page();

}  // namespace lwc::status
