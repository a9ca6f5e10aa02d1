// SPDX-License-Identifier: Apache-2.0
// What a web server may ask before it sends a request. The answer is one whole record.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fastcgi/management_record.hpp"
#include "fastcgi/request_head.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (lwc::read_head({data, size}).state != lwc::RequestHead::State::Management) {
    return 0;
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0 ||
      ::send(ends[0], data, size, MSG_DONTWAIT) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  const bool answered = lwc::answer_management_record(ends[1], {data, size}, 50);
  static std::array<std::uint8_t, 1 << 18> answer;
  const ssize_t got = ::recv(ends[0], answer.data(), answer.size(), MSG_DONTWAIT);
  const ssize_t told = 8 + (answer[4] << 8 | answer[5]) + answer[6];
  if (answered ? got < 8 || got != told : got > 0) {
    std::abort();
  }
  ::close(ends[0]);
  ::close(ends[1]);
  return 0;
}
