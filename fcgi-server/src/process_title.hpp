// SPDX-License-Identifier: Apache-2.0
// What ps and top show as a process's command line, in php-fpm's words where it has them.
#pragma once

#include <string_view>

namespace lwc {

/// Makes room for titles where the command line and the environment are, and moves the environment
/// elsewhere. First of all in main(): pointers into the old environment go bad with the first
/// title.
void reserve_process_title(int argc, char** argv);

/// "lwc-fpm: " and `text`, cut where the room ends. Without effect before reserve_process_title().
void set_process_title(std::string_view text) noexcept;

}  // namespace lwc
