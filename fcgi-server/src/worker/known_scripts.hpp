// SPDX-License-Identifier: Apache-2.0
// What a server remembers of the scripts it was asked for, so that not every child looks for the
// same files. PHP keeps what it finds for minutes (realpath_cache_ttl, user_ini.cache_ttl), but in
// memory that goes with the request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lwc {

/// Lies in memory that outlasts a request: has no pointers, and texts of a fixed size.
class KnownScripts {
 public:
  /// php::is_plain_script(), as it was in the last second. False also where there is too much text
  /// to remember, or no script. `now_ns`: CLOCK_MONOTONIC.
  bool is_plain(std::string_view script, std::string_view document_root, std::int64_t now_ns);

 private:
  struct Entry {
    std::int64_t until_ns = 0;
    std::uint16_t script_size = 0;
    std::uint16_t root_size = 0;
    bool plain = false;
    std::array<char, 480> text{};  // script, NUL, document root, NUL

    bool is_of(std::string_view script, std::string_view document_root) const;
  };

  std::array<Entry, 8> entries_{};
  std::size_t next_ = 0;  // the one to be overwritten
};

}  // namespace lwc
