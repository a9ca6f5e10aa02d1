// SPDX-License-Identifier: Apache-2.0
// Datagrams with descriptors over SOCK_SEQPACKET Unix sockets: how the daemon's processes speak
// with each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

/// One datagram: a small header, text, descriptors.
struct Message {
  std::uint32_t kind = 0;
  std::uint32_t snapshot = 0;
  std::uint32_t slot = 0;
  std::int32_t pid = 0;
  std::uint32_t number = 0;
  std::string text;
  std::vector<UniqueFd> fds;
};

inline constexpr std::size_t kMaxMessageText =
    std::size_t{96} * 1024;  ///< bytes; stays below the default socket buffer
inline constexpr std::size_t kMaxMessageFds = 4;

enum class Received { Message, Nothing, Closed };

/// Sends one message. `fds` stay the caller's. Fails with EAGAIN's text when `wait` is false and
/// the peer is slow.
Status send_message(int socket, const Message& message, const std::vector<int>& fds,
                    bool wait = true);

/// The kind of the message that waits, which stays there. Nothing: none is there, or a signal came.
Received peek_message(int socket, std::uint32_t& kind);

/// Receives one message into `out`. Nothing: none is there and `wait` is false, or a signal came.
Received receive_message(int socket, Message& out, bool wait);

}  // namespace lwc
