// SPDX-License-Identifier: Apache-2.0
// PHP's headers, in an order that C++ can bear. Nothing outside php-sapi/ includes them.
//
// The engine leaves functions by longjmp (zend_bailout): a function that calls it owns nothing
// with a destructor at that time, and every callback is extern "C" and noexcept.
#pragma once

extern "C" {
#include <php.h>
// Needs php.h first.
#include <SAPI.h>
#include <main/php_ini.h>
#include <main/php_main.h>
#include <main/php_output.h>
#include <main/php_variables.h>
#include <zend_exceptions.h>
#include <zend_extensions.h>
#include <zend_ini.h>
#include <zend_signal.h>
}
