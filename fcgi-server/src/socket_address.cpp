// SPDX-License-Identifier: Apache-2.0
#include "socket_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace lwc {

std::string describe(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.any.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &address.v4.sin_addr, text.data(), text.size());
  } else if (address.any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &address.v6.sin6_addr.s6_addr[12], text.data(), text.size());
  } else if (address.any.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &address.v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

std::optional<PeerAddress> peer_address(const std::string& text) {
  PeerAddress address{};
  address[10] = address[11] = 0xff;  // ::ffff:0:0/96 has the IPv4 addresses
  if (::inet_pton(AF_INET, text.c_str(), &address[12]) > 0 ||
      ::inet_pton(AF_INET6, text.c_str(), address.data()) > 0) {
    return address;
  }
  return std::nullopt;
}

bool is_allowed(const SocketAddress& peer, const std::optional<std::vector<PeerAddress>>& allowed) {
  if (!allowed || (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)) {
    return true;
  }
  const std::optional<PeerAddress> address = peer_address(describe(peer));
  return address && std::find(allowed->begin(), allowed->end(), *address) != allowed->end();
}

}  // namespace lwc
