// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/management_record.hpp"

#include <fastcgi.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace lwc {
namespace {

std::string record(unsigned char type, std::string_view content) {
  std::string text;
  for (unsigned value : {unsigned{FCGI_VERSION_1}, unsigned{type}, 0U, 0U,
                         static_cast<unsigned>(content.size() >> 8),
                         static_cast<unsigned>(content.size() & 0xff), 0U, 0U}) {
    text.push_back(static_cast<char>(value));
  }
  return text.append(content);
}

// Names and values here are short: one length byte each. A name that is asked for again and again
// is answered once, or the answer would not fit into a record.
std::string values_asked_for(std::string_view query, std::uint32_t max_requests) {
  const std::array<std::pair<std::string_view, std::string>, 3> known{{
      {FCGI_MAX_CONNS, std::to_string(max_requests)},
      {FCGI_MAX_REQS, std::to_string(max_requests)},
      {FCGI_MPXS_CONNS, "0"},
  }};
  std::array<bool, known.size()> wanted{};
  while (query.size() >= 2) {
    auto name_length = static_cast<unsigned char>(query[0]);
    auto value_length = static_cast<unsigned char>(query[1]);
    query.remove_prefix(2);
    if (name_length >= 0x80 || value_length >= 0x80 ||
        query.size() < std::size_t{name_length} + value_length) {
      break;
    }
    std::string_view name = query.substr(0, name_length);
    query.remove_prefix(std::size_t{name_length} + value_length);
    for (std::size_t i = 0; i < known.size(); ++i) {
      wanted.at(i) = wanted.at(i) || known.at(i).first == name;
    }
  }
  std::string answer;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (const auto& [key, value] = known.at(i); wanted.at(i)) {
      answer.push_back(static_cast<char>(key.size()));
      answer.push_back(static_cast<char>(value.size()));
      answer.append(key).append(value);
    }
  }
  return answer;
}

}  // namespace

bool answer_management_record(int connection, std::span<const unsigned char> bytes,
                              std::uint32_t max_requests) {
  std::size_t length = std::size_t{bytes[4]} << 8 | bytes[5];
  std::size_t whole = FCGI_HEADER_LEN + length + bytes[6];
  if (bytes.size() < whole) {
    return false;
  }
  std::string answer;
  if (bytes[1] == FCGI_GET_VALUES) {
    std::string_view query(reinterpret_cast<const char*>(bytes.data()) + FCGI_HEADER_LEN, length);
    answer = record(FCGI_GET_VALUES_RESULT, values_asked_for(query, max_requests));
  } else {
    const std::array<char, 8> unknown{static_cast<char>(bytes[1])};
    answer = record(FCGI_UNKNOWN_TYPE, {unknown.data(), unknown.size()});
  }
  std::vector<unsigned char> drop(whole);
  return ::recv(connection, drop.data(), whole, MSG_WAITALL) == static_cast<ssize_t>(whole) &&
         ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
             static_cast<ssize_t>(answer.size());
}

}  // namespace lwc
