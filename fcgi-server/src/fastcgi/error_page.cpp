// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/error_page.hpp"

#include <fastcgi.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>

namespace lwc {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kLinger = std::chrono::seconds(5);

std::string_view reason(int status) {
  switch (status) {
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Internal Server Error";
  }
}

void add_record(std::string& out, unsigned char type, std::uint16_t id, std::string_view content) {
  const std::array<unsigned char, FCGI_HEADER_LEN> header{
      FCGI_VERSION_1,
      type,
      static_cast<unsigned char>(id >> 8),
      static_cast<unsigned char>(id),
      static_cast<unsigned char>(content.size() >> 8),
      static_cast<unsigned char>(content.size()),
      0,
      0};
  out.append(reinterpret_cast<const char*>(header.data()), header.size());
  out.append(content);
}

}  // namespace

void send_error_page(int connection, std::uint16_t request_id, int status) {
  std::string title = std::to_string(status) + " " + std::string(reason(status));
  std::string page = "Status: " + title +
                     "\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n"
                     "<!DOCTYPE html>\n<html><head><title>" +
                     title + "</title></head>\n<body><h1>" + title + "</h1></body></html>\n";
  std::string out;
  add_record(out, FCGI_STDOUT, request_id, page);
  add_record(out, FCGI_STDOUT, request_id, "");
  add_record(out, FCGI_END_REQUEST, request_id, std::string_view("\0\0\0\0\0\0\0\0", 8));
  [[maybe_unused]] ssize_t sent =
      ::send(connection, out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void close_connection(int connection, bool unread) {
  if (unread && ::shutdown(connection, SHUT_WR) == 0) {
    std::array<char, 65536> drop;
    auto end = Clock::now() + kLinger;
    for (;;) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
      pollfd wait{connection, POLLIN, 0};
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0 ||
          ::recv(connection, drop.data(), drop.size(), MSG_DONTWAIT) <= 0) {
        break;
      }
    }
  }
  ::close(connection);
}

}  // namespace lwc
