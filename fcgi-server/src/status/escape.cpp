// SPDX-License-Identifier: Apache-2.0
#include "status/escape.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace lwc::status {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  ///< bytes; 0: not UTF-8
};

CodePoint first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) {
    return {lead, 1};
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
    return {};
  }
  std::uint32_t value = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0U) != 0x80) {
      return {};
    }
    value = value << 6 | (next & 0x3fU);
  }
  const bool too_long = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return too_long || surrogate || value > 0x10ffff ? CodePoint{} : CodePoint{value, length};
}

bool is_xml_character(std::uint32_t value) {
  return value >= 0x20 ? value != 0xfffe && value != 0xffff
                       : value == '\t' || value == '\n' || value == '\r';
}

const char* entity_of(std::uint32_t value) {
  switch (value) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    default:
      return is_xml_character(value) ? nullptr : "\xef\xbf\xbd";
  }
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint point = first_of(text);
    if (point.length == 0) {
      return {};
    }
    if (const char* entity = entity_of(point.value)) {
      out += entity;
    } else {
      out += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  return out;
}

std::string escape_json(std::string_view text) {
  const std::string quoted =
      nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::ignore);
  std::string out;
  for (const char c : std::string_view(quoted).substr(1, quoted.size() - 2)) {
    out += c == '/' ? "\\/" : std::string(1, c);  // so that it may stand inside <script>
  }
  return out;
}

}  // namespace lwc::status
