// SPDX-License-Identifier: Apache-2.0
#include "lwc/message.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace lwc {
namespace {

struct Header {
  std::uint32_t kind;
  std::uint32_t snapshot;
  std::uint32_t slot;
  std::int32_t pid;
  std::uint32_t number;
};

union FdSpace {
  cmsghdr align;
  std::array<char, CMSG_SPACE(sizeof(int) * kMaxMessageFds)> bytes;
};

void take_fds(msghdr& msg, std::vector<UniqueFd>& out) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      out.emplace_back(fd);
    }
  }
}

}  // namespace

Status send_message(int socket, const Message& message, const std::vector<int>& fds, bool wait) {
  if (message.text.size() > kMaxMessageText || fds.size() > kMaxMessageFds) {
    return Error{"message of " + std::to_string(message.text.size()) +
                 " bytes is too long (limit " + std::to_string(kMaxMessageText) + ")"};
  }
  Header header{message.kind, message.snapshot, message.slot, message.pid, message.number};
  std::array<iovec, 2> parts{iovec{&header, sizeof header},
                             iovec{const_cast<char*>(message.text.data()), message.text.size()}};
  msghdr msg{};
  msg.msg_iov = parts.data();
  msg.msg_iovlen = parts.size();
  FdSpace space{};
  if (!fds.empty()) {
    msg.msg_control = space.bytes.data();
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  for (;;) {
    if (::sendmsg(socket, &msg, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0) {
      return ok();
    }
    if (errno != EINTR) {
      return errno_error("cannot send a message");
    }
  }
}

Received peek_message(int socket, std::uint32_t& kind) {
  Header header{};
  const ssize_t got = ::recv(socket, &header, sizeof header, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::Nothing : Received::Closed;
  }
  if (got < static_cast<ssize_t>(sizeof header)) {
    return Received::Closed;
  }
  kind = header.kind;
  return Received::Message;
}

Received receive_message(int socket, Message& out, bool wait) {
  // One buffer per process is enough: messages are received from the main flow only.
  static std::array<char, kMaxMessageText> text;
  Header header{};
  std::array<iovec, 2> parts{iovec{&header, sizeof header}, iovec{text.data(), text.size()}};
  msghdr msg{};
  msg.msg_iov = parts.data();
  msg.msg_iovlen = parts.size();
  FdSpace space{};
  msg.msg_control = space.bytes.data();
  msg.msg_controllen = space.bytes.size();
  ssize_t got = ::recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  if (got < 0) {
    return errno == EAGAIN || errno == EINTR ? Received::Nothing : Received::Closed;
  }
  out.fds.clear();
  take_fds(msg, out.fds);
  if (got < static_cast<ssize_t>(sizeof header)) {
    return Received::Closed;
  }
  out.kind = header.kind;
  out.snapshot = header.snapshot;
  out.slot = header.slot;
  out.pid = header.pid;
  out.number = header.number;
  out.text.assign(text.data(), static_cast<std::size_t>(got) - sizeof header);
  return Received::Message;
}

}  // namespace lwc
