// SPDX-License-Identifier: Apache-2.0
// The status page in php-fpm's formats. Byte for byte php-fpm's; what php-fpm does not have comes
// below it.
#pragma once

#include <string>

#include "status/figures.hpp"

namespace lwc::status {

enum class Format { Text, Html, Xml, Json, OpenMetrics };

struct Shown {
  bool processes = false;  ///< a query with "full"
  bool own = false;        ///< what php-fpm does not have
};

/// The value of the page's header Content-Type, with the header's name.
const char* content_type_line(Format format);

std::string render(Format format, const Figures& figures, Shown shown);

}  // namespace lwc::status
