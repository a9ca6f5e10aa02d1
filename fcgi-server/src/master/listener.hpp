// SPDX-License-Identifier: Apache-2.0
// Listening sockets: made as php-fpm makes them, or inherited from a reload or from systemd.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

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

}  // namespace lwc
