// SPDX-License-Identifier: Apache-2.0
// Listening sockets: made as php-fpm makes them, or inherited from a reload or from systemd.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

struct ListenAddress {
  union {
    sockaddr any;
    sockaddr_un local;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_storage storage{};
  };
  socklen_t length = sizeof(sockaddr_storage);
};

/// A socket that this process was started with. One of a reload has been a pool's before. An
/// activated one is the service manager's: it has made the socket, set its permissions, keeps it
/// when we end, and may have named it after a pool.
struct InheritedSocket {
  std::string address;  ///< a path, or address:port
  int fd = -1;
  bool activated = false;
  std::string name;  ///< FileDescriptorName= of the socket unit
};

/// The socket a pool listens on.
struct Listener {
  UniqueFd fd;
  bool activated = false;
  std::string name;
};

/// Opens and configures the pool's listening socket, or takes it from those that were inherited: by
/// address, else by the pool's name. What is taken has no descriptor (-1) any more in `inherited`.
Result<Listener> open_listener(const config::PoolConfig& pool,
                               std::vector<InheritedSocket>& inherited);

/// Where a listening socket is bound, in the form of the pool key `listen`.
std::string socket_address(int fd);

/// Connections that wait to be accepted, and how many may wait. Zero for a Unix socket, as in
/// php-fpm.
struct ListenQueue {
  std::uint32_t waiting = 0;
  std::uint32_t limit = 0;
};
ListenQueue listen_queue(int listen_fd);

/// "127.0.0.1", for log lines; also for an IPv4 client of an IPv6 socket.
std::string describe(const ListenAddress& address);

/// An IPv6 address, or an IPv4 address as a client of an IPv6 socket has it (::ffff:1.2.3.4).
using PeerAddress = std::array<unsigned char, 16>;
std::optional<PeerAddress> peer_address(const std::string& text);

/// listen.allowed_clients: TCP peers only; a Unix socket is guarded by its permissions.
/// Nothing: every client is allowed.
bool is_allowed(const ListenAddress& peer, const std::optional<std::vector<PeerAddress>>& allowed);

}  // namespace lwc
