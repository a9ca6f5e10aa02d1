// SPDX-License-Identifier: Apache-2.0
// Where a socket is bound, and who has connected to it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace lwc {

struct SocketAddress {
  union {
    sockaddr any;
    sockaddr_un local;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_storage storage{};
  };
  socklen_t length = sizeof(sockaddr_storage);
};

/// "127.0.0.1", for log lines; also for an IPv4 client of an IPv6 socket.
std::string describe(const SocketAddress& address);

/// An IPv6 address, or an IPv4 address as a client of an IPv6 socket has it (::ffff:1.2.3.4).
using PeerAddress = std::array<unsigned char, 16>;
std::optional<PeerAddress> peer_address(const std::string& text);

/// listen.allowed_clients: TCP peers only; a Unix socket is guarded by its permissions.
/// Nothing: every client is allowed.
bool is_allowed(const SocketAddress& peer, const std::optional<std::vector<PeerAddress>>& allowed);

}  // namespace lwc
