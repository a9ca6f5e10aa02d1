// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "php.hpp"

namespace lwc::php {

/// Module "cgi-fcgi": php-fpm's ini settings and functions.
zend_module_entry* cgi_module();

/// Module "lwc": lwc_snapshot() and its companions.
zend_module_entry* lwc_module();

}  // namespace lwc::php
