// SPDX-License-Identifier: Apache-2.0
#include "listener.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "identity.hpp"

namespace lwc {
namespace {

Error listen_error(const config::PoolConfig& pool, const std::string& what, int errnum = errno) {
  return Error{"[pool " + pool.name + "] unable to " + what + " '" + *pool.listen +
               "': " + std::strerror(errnum) + " (" + std::to_string(errnum) + ")"};
}

Result<ListenAddress> unix_address(const config::PoolConfig& pool) {
  ListenAddress address;
  if (pool.listen->size() >= sizeof address.local.sun_path) {
    return Error{"[pool " + pool.name + "] the path of the socket '" + *pool.listen +
                 "' is too long (limit " + std::to_string(sizeof address.local.sun_path - 1) +
                 " bytes)"};
  }
  address.local.sun_family = AF_UNIX;
  std::memcpy(address.local.sun_path, pool.listen->c_str(), pool.listen->size() + 1);
  address.length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + pool.listen->size() + 1);
  return address;
}

// "9000", "127.0.0.1:9000", "[::1]:9000", "localhost:9000", "*:9000"
Result<ListenAddress> inet_address(const config::PoolConfig& pool) {
  const std::string& text = *pool.listen;
  std::size_t colon = text.rfind(':');
  std::string host = colon == std::string::npos ? "" : text.substr(0, colon);
  std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "*") {
    host.clear();
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int failed = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &found);
  if (failed != 0) {
    return Error{"[pool " + pool.name + "] cannot resolve the address '" + text +
                 "': " + ::gai_strerror(failed)};
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  // A bare port means every IPv4 address, as in php-fpm.
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (host.empty() && one->ai_family != AF_INET && one->ai_next != nullptr) {
      continue;
    }
    ListenAddress address;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
    return address;
  }
  return Error{"[pool " + pool.name + "] no usable address for '" + text + "'"};
}

bool somebody_listens(const ListenAddress& address) {
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), &address.any, address.length) == 0;
}

Status set_permissions(const config::PoolConfig& pool) {
  Result<Identity> owner = find_identity(pool.listen_owner, pool.listen_group);
  if (!owner) {
    return Error{"[pool " + pool.name + "] " + owner.error().message};
  }
  if (owner->name.empty() && pool.listen_group.value_or("").empty()) {
    owner->gid.reset();  // php-fpm: here a number does not bring its user's group
  }
  const uid_t uid = owner->uid.value_or(static_cast<uid_t>(-1));
  const gid_t gid = owner->gid.value_or(static_cast<gid_t>(-1));
  mode_t mode = pool.listen_mode
                    ? static_cast<mode_t>(std::strtoul(pool.listen_mode->c_str(), nullptr, 8))
                    : 0660;
  if ((owner->uid || owner->gid) && ::chown(pool.listen->c_str(), uid, gid) != 0) {
    return listen_error(pool, "chown() the socket");
  }
  if (::chmod(pool.listen->c_str(), mode) != 0) {
    return listen_error(pool, "chmod() the socket");
  }
  return ok();
}

Result<UniqueFd> bind_and_listen(const config::PoolConfig& pool, const ListenAddress& address) {
  UniqueFd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    return listen_error(pool, "create a listening socket for");
  }
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (pool.listen_is_unix) {
    if (somebody_listens(address)) {
      return Error{"[pool " + pool.name + "] Another FPM instance seems to already listen on " +
                   *pool.listen};
    }
    ::unlink(pool.listen->c_str());
  }
  mode_t before = ::umask(0177);
  int bound = ::bind(fd.get(), &address.any, address.length);
  int errnum = errno;
  ::umask(before);
  if (bound != 0) {
    return listen_error(pool, "bind listening socket for address", errnum);
  }
  if (pool.listen_is_unix) {
    if (Status set = set_permissions(pool); !set) {
      return set.error();
    }
  }
  int backlog = pool.listen_backlog < 0 ? 511 : pool.listen_backlog;
  if (::listen(fd.get(), backlog) != 0) {
    return listen_error(pool, "listen to address");
  }
  return fd;
}

// "/var/run/x.sock" and "/run/x.sock" are one socket on most systems.
bool is_same_path(const std::string& one, const std::string& other) {
  std::error_code failed;
  return one == other || std::filesystem::weakly_canonical(one, failed) ==
                             std::filesystem::weakly_canonical(other, failed);
}

bool is_any_address(const ListenAddress& address) {
  return address.any.sa_family == AF_INET ? address.v4.sin_addr.s_addr == INADDR_ANY
                                          : IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr) != 0;
}

// Both ports are at the same place. "Any address" is the same in both families: systemd binds a
// bare port to the IPv6 one, which takes IPv4 clients too.
bool is_same_inet(const ListenAddress& one, const ListenAddress& other) {
  return one.v4.sin_port == other.v4.sin_port &&
         ((is_any_address(one) && is_any_address(other)) ||
          (one.any.sa_family == other.any.sa_family && describe(one) == describe(other)));
}

ListenAddress bound_address(int fd) {
  ListenAddress address;
  ::getsockname(fd, &address.any, &address.length);
  return address;
}

bool has_address(const InheritedSocket& socket, const config::PoolConfig& pool) {
  if (!socket.activated) {
    return socket.address == *pool.listen;
  }
  const ListenAddress bound = bound_address(socket.fd);
  if (pool.listen_is_unix || bound.any.sa_family == AF_UNIX) {
    return pool.listen_is_unix && bound.any.sa_family == AF_UNIX &&
           is_same_path(socket.address, *pool.listen);
  }
  const Result<ListenAddress> wanted = inet_address(pool);
  return wanted && is_same_inet(bound, *wanted);
}

InheritedSocket* find_inherited(const config::PoolConfig& pool,
                                std::vector<InheritedSocket>& inherited) {
  auto found = std::find_if(
      inherited.begin(), inherited.end(),
      [&pool](const InheritedSocket& one) { return one.fd >= 0 && has_address(one, pool); });
  if (found == inherited.end()) {
    found = std::find_if(inherited.begin(), inherited.end(), [&pool](const InheritedSocket& one) {
      return one.fd >= 0 && one.activated && one.name == pool.name;
    });
  }
  return found == inherited.end() ? nullptr : &*found;
}

// The length of an activated socket's queue is what its unit says, unless the pool says otherwise.
void set_backlog(const config::PoolConfig& pool, const Listener& listener) {
  if (!listener.activated || pool.listen_backlog >= 0) {
    ::listen(listener.fd.get(), pool.listen_backlog < 0 ? 511 : pool.listen_backlog);
  }
}

}  // namespace

Result<Listener> open_listener(const config::PoolConfig& pool,
                               std::vector<InheritedSocket>& inherited) {
  if (InheritedSocket* mine = find_inherited(pool, inherited)) {
    Listener listener{UniqueFd(std::exchange(mine->fd, -1)), mine->activated, mine->name};
    set_backlog(pool, listener);
    return listener;
  }
  Result<ListenAddress> address = pool.listen_is_unix ? unix_address(pool) : inet_address(pool);
  if (!address) {
    return address.error();
  }
  Result<UniqueFd> fd = bind_and_listen(pool, *address);
  if (!fd) {
    return fd.error();
  }
  return Listener{std::move(*fd), false, ""};
}

std::string socket_address(int fd) {
  const ListenAddress address = bound_address(fd);
  if (address.any.sa_family == AF_UNIX) {
    return address.local.sun_path;
  }
  const std::string host = describe(address);
  return (address.any.sa_family == AF_INET6 ? "[" + host + "]" : host) + ":" +
         std::to_string(ntohs(address.v4.sin_port));
}

ListenQueue listen_queue(int listen_fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(listen_fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return {};
  }
  // For a listening socket the kernel has the length of the queue and its limit in these.
  return {info.tcpi_unacked, info.tcpi_sacked};
}

std::string describe(const ListenAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.any.sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &address.v4.sin_addr, text.data(), text.size());
  } else if (address.any.sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &address.v6.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

bool is_allowed(const ListenAddress& peer, const std::vector<std::string>& allowed) {
  if (allowed.empty() || (peer.any.sa_family != AF_INET && peer.any.sa_family != AF_INET6)) {
    return true;
  }
  std::string address = describe(peer);
  // An IPv4 client of an IPv6 socket comes as ::ffff:1.2.3.4.
  std::string bare = address.starts_with("::ffff:") ? address.substr(7) : address;
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& one) { return one == address || one == bare; });
}

}  // namespace lwc
