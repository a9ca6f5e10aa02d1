// SPDX-License-Identifier: Apache-2.0
#include "process_title.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace lwc {
namespace {

constexpr std::string_view kPrefix = "lwc-fpm: ";

// The kernel shows the bytes from the first argument's to the environment's last, as they are.
std::span<char> g_room;

}  // namespace

void reserve_process_title(int argc, char** argv) {
  if (argc == 0) {
    return;
  }
  char* end = argv[0];
  const auto extend = [&end](char* text) {
    if (text ==
        end) {  // the kernel puts them one behind the other; what was changed since is not there
      end += std::strlen(text) + 1;
    }
  };
  std::for_each(argv, argv + argc, extend);
  std::size_t count = 0;
  for (; environ[count] != nullptr; ++count) {
    extend(environ[count]);
  }
  // Never freed: these are the environment from here on.
  char** moved = new char*[count + 1];
  for (std::size_t i = 0; i < count; ++i) {
    moved[i] = ::strdup(environ[i]);
  }
  moved[count] = nullptr;
  environ = moved;
  g_room = {argv[0], end};
}

void set_process_title(std::string_view text) noexcept {
  if (g_room.empty()) {
    return;
  }
  std::span<char> rest = g_room.first(g_room.size() - 1);
  for (std::string_view part : {kPrefix, text}) {
    rest = rest.subspan(part.copy(rest.data(), rest.size()));
  }
  std::fill(rest.begin(), rest.end(), '\0');
}

}  // namespace lwc
