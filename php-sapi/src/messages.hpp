// SPDX-License-Identifier: Apache-2.0
// What PHP and we say of requests and of PHP itself, and where each message goes.
#pragma once

#include "lwc/php/interpreter.hpp"

namespace lwc::php {

/// To the daemon's log.
void log(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

/// What is wrong with the current request, as php-fpm's children say it: to the web server, and,
/// where log_level lets it pass, to standard error, which catch_workers_output catches.
void complain(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));

/// Where log() goes as long as there is no pool.
void report_to(void (*report)(const char* text));

/// The SAPI's log_message(): error_log() and PHP's own errors.
extern "C" void sapi_log(const char* message, int priority) noexcept;

}  // namespace lwc::php
