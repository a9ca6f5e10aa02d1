// SPDX-License-Identifier: Apache-2.0
// Listening sockets: made as php-fpm makes them, or inherited from a reload or from systemd.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

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

/// Opens and configures the pool's listening socket. `inherited` holds (address, descriptor) pairs
/// that may be used instead of binding anew.
struct InheritedSocket {
  std::string address;
  int fd = -1;
};
Result<UniqueFd> open_listener(const config::PoolConfig& pool,
                               std::vector<InheritedSocket>& inherited);

/// "127.0.0.1", for log lines.
std::string describe(const ListenAddress& address);

/// listen.allowed_clients: TCP peers only; a Unix socket is guarded by its permissions.
bool is_allowed(const ListenAddress& peer, const std::vector<std::string>& allowed);

}  // namespace lwc
