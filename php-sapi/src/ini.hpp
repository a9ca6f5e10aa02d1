// SPDX-License-Identifier: Apache-2.0
// Ini settings from outside php.ini: the pool's, those of a request, .user.ini.
#pragma once

#include "lwc/php/interpreter.hpp"

namespace lwc::php {

/// Sets an ini value below what scripts can restore with ini_restore(), as php-fpm does for a pool.
/// `admin`: scripts cannot change it.
bool set_ini(const char* name, const char* value, bool admin);

/// php_value and php_admin_value of a pool.
void apply_pool_ini(const PoolOptions& options);

/// PHP_VALUE and PHP_ADMIN_VALUE of the current request.
void apply_request_ini();

/// [HOST=] and [PATH=] sections of php.ini and the .user.ini files for the current script.
void apply_directory_ini();

/// Is there a .user.ini file for this script? Without a document root none counts.
bool has_directory_ini(const char* script, const char* document_root);
/// The same for the current request.
bool has_directory_ini();

}  // namespace lwc::php
