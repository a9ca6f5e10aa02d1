// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

namespace lwc::rollback {

/// A function of libc and what takes its place.
struct Replacement {
  const char* name;
  void (*function)();
};
std::span<const Replacement> replacements();

/// Has every library that is loaded call the functions of interpose.cpp, also those that look for
/// libc's functions in libc first. Only for speed: calls that go past them are trapped. To be
/// called while there is one thread, and again after more was loaded.
void bind_libraries_to_replacements();

}  // namespace lwc::rollback
