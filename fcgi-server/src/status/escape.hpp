// SPDX-License-Identifier: Apache-2.0
// Text that clients can choose, made harmless on a status page, as php-fpm does it.
#pragma once

#include <string>
#include <string_view>

namespace lwc::status {

/// For HTML and XML 1.0. Characters that XML does not have become U+FFFD; text that is not UTF-8
/// becomes empty.
std::string escape_markup(std::string_view text);

/// The inside of a JSON string, in ASCII. Bytes that are not UTF-8 are left out.
std::string escape_json(std::string_view text);

}  // namespace lwc::status
