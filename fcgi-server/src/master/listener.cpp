// SPDX-License-Identifier: Apache-2.0
#include "master/listener.hpp"

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "config/identity.hpp"
#include "log.hpp"
#include "master/socket_acl.hpp"
#include "socket_address.hpp"

namespace lwc {
namespace {

Error listen_error(const config::PoolConfig& pool, const std::string& what, int errnum = errno) {
  return Error{what + " address '" + *pool.listen + "': " + std::strerror(errnum) + " (" +
               std::to_string(errnum) + ")"};
}

Result<SocketAddress> unix_address(const config::PoolConfig& pool) {
  SocketAddress address;
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

bool somebody_listens(const SocketAddress& address) {
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), &address.any, address.length) == 0;
}

void tell_owner_ignored(const config::PoolConfig& pool) {
  const auto tell = [&pool](const char* name, const std::optional<std::string>& value) {
    if (value && !value->empty()) {
      log::warning(pool.name, std::string("ACL set, ") + name + " = '" + *value + "' is ignored");
    }
  };
  tell("listen.owner", pool.listen_owner);
  tell("listen.group", pool.listen_group);
}

Status set_owner(const config::PoolConfig& pool) {
  Result<Identity> owner = find_identity(pool.listen_owner, pool.listen_group);
  if (!owner) {
    return Error{"[pool " + pool.name + "] " + owner.error().message};
  }
  if (owner->name.empty() && pool.listen_group.value_or("").empty()) {
    owner->gid.reset();  // php-fpm: here a number does not bring its user's group
  }
  const uid_t uid = owner->uid.value_or(static_cast<uid_t>(-1));
  const gid_t gid = owner->gid.value_or(static_cast<gid_t>(-1));
  if ((owner->uid || owner->gid) && ::chown(pool.listen->c_str(), uid, gid) != 0) {
    return listen_error(pool, "failed to chown() the socket of");
  }
  return ok();
}

Status set_permissions(const config::PoolConfig& pool) {
  const bool has_mode = !pool.listen_mode.value_or("").empty();
  const auto mode =
      static_cast<mode_t>(has_mode ? std::strtoul(pool.listen_mode->c_str(), nullptr, 8) : 0660);
  if (::chmod(pool.listen->c_str(), mode) != 0) {
    return listen_error(pool, "failed to chmod() the socket of");
  }
  if (has_socket_acl(pool)) {
    Status set = set_socket_acl(pool, mode);
    if (set) {
      tell_owner_ignored(pool);
    }
    return set;
  }
  return set_owner(pool);
}

Result<UniqueFd> bind_and_listen(const config::PoolConfig& pool, const SocketAddress& address) {
  UniqueFd fd(::socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) {
    return listen_error(pool, "failed to create a listening socket for");
  }
  int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (pool.listen_is_unix) {
    if (somebody_listens(address)) {
      return Error{"Another FPM instance seems to already listen on " + *pool.listen};
    }
    ::unlink(pool.listen->c_str());
  }
  mode_t before = ::umask(0177);
  int bound = ::bind(fd.get(), &address.any, address.length);
  int errnum = errno;
  ::umask(before);
  if (bound != 0) {
    return listen_error(pool, "unable to bind listening socket for", errnum);
  }
  if (pool.listen_is_unix) {
    if (Status set = set_permissions(pool); !set) {
      return set.error();
    }
  }
  // A negative backlog is the kernel's own limit.
  if (::listen(fd.get(), pool.listen_backlog) != 0) {
    return listen_error(pool, "failed to listen to");
  }
  return fd;
}

Result<UniqueFd> listen_on_path(const config::PoolConfig& pool) {
  const Result<SocketAddress> address = unix_address(pool);
  return address ? bind_and_listen(pool, *address) : Result<UniqueFd>(address.error());
}

/// "9000", "127.0.0.1:9000", "[::1]:9000", "localhost:9000".
struct InetName {
  std::string host;  ///< "::" for a bare port
  std::string port;
  bool any = false;  ///< a bare port
};

Result<InetName> inet_name(const config::PoolConfig& pool) {
  const std::string& text = *pool.listen;
  const std::size_t colon = text.rfind(':');
  InetName name{"::", text, colon == std::string::npos};
  if (!name.any) {
    name.host = text.substr(0, colon);
    name.port = text.substr(colon + 1);
  }
  if (name.host.size() > 2 && name.host.front() == '[' && name.host.back() == ']') {
    name.host = name.host.substr(1, name.host.size() - 2);
  }
  const int number = std::atoi(name.port.c_str());
  if (number < 1 || number > 65535) {
    return Error{"invalid port value '" + name.port + "'"};
  }
  return name;
}

/// The host's addresses, at least one.
Result<std::vector<SocketAddress>> resolve(const InetName& name, const config::PoolConfig& pool) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (int failed = ::getaddrinfo(name.host.c_str(), name.port.c_str(), &hints, &found);
      failed != 0) {
    return Error{"getaddrinfo: " + std::string(::gai_strerror(failed)) +
                 ", for listen = " + *pool.listen};
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.length = one->ai_addrlen;
  }
  return addresses;
}

/// Listens on the first of the host's addresses that can be listened on.
Result<UniqueFd> listen_on_host(const InetName& name, const config::PoolConfig& pool) {
  const Result<std::vector<SocketAddress>> addresses = resolve(name, pool);
  if (!addresses) {
    return addresses.error();
  }
  Result<UniqueFd> listening = Error{"no address for '" + *pool.listen + "'"};
  for (const SocketAddress& address : *addresses) {
    if (!listening) {
      listening = bind_and_listen(pool, address);
    } else {
      log::warning(
          "", "Found multiple addresses for " + name.host + ", " + describe(address) + " ignored");
    }
  }
  return listening;
}

/// A bare port is every address, of IPv6 and IPv4, where the machine has IPv6.
Result<UniqueFd> listen_on_inet(const config::PoolConfig& pool) {
  Result<InetName> name = inet_name(pool);
  if (!name) {
    return name.error();
  }
  Result<UniqueFd> listening = listen_on_host(*name, pool);
  if (!listening && name->any) {
    log::notice("", "Failed implicitly binding to ::, retrying with 0.0.0.0");
    name->host = "0.0.0.0";
    return listen_on_host(*name, pool);
  }
  return listening;
}

// "/var/run/x.sock" and "/run/x.sock" are one socket on most systems.
bool is_same_path(const std::string& one, const std::string& other) {
  std::error_code failed;
  return one == other || std::filesystem::weakly_canonical(one, failed) ==
                             std::filesystem::weakly_canonical(other, failed);
}

bool is_any_address(const SocketAddress& address) {
  return address.any.sa_family == AF_INET ? address.v4.sin_addr.s_addr == INADDR_ANY
                                          : IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr) != 0;
}

// Both ports are at the same place. "Any address" is the same in both families: systemd binds a
// bare port to the IPv6 one, which takes IPv4 clients too.
bool is_same_inet(const SocketAddress& one, const SocketAddress& other) {
  return one.v4.sin_port == other.v4.sin_port &&
         ((is_any_address(one) && is_any_address(other)) ||
          (one.any.sa_family == other.any.sa_family && describe(one) == describe(other)));
}

SocketAddress bound_address(int fd) {
  SocketAddress address;
  ::getsockname(fd, &address.any, &address.length);
  return address;
}

bool has_address(const InheritedSocket& socket, const config::PoolConfig& pool) {
  if (!socket.activated) {
    return socket.address == *pool.listen;
  }
  const SocketAddress bound = bound_address(socket.fd);
  if (pool.listen_is_unix || bound.any.sa_family == AF_UNIX) {
    return pool.listen_is_unix && bound.any.sa_family == AF_UNIX &&
           is_same_path(socket.address, *pool.listen);
  }
  const Result<InetName> name = inet_name(pool);
  const Result<std::vector<SocketAddress>> wanted =
      name ? resolve(*name, pool) : Result<std::vector<SocketAddress>>(name.error());
  return wanted && is_same_inet(bound, wanted->front());
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
    ::listen(listener.fd.get(), pool.listen_backlog);
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
  Result<UniqueFd> fd = pool.listen_is_unix ? listen_on_path(pool) : listen_on_inet(pool);
  if (!fd) {
    return fd.error();
  }
  return Listener{std::move(*fd), false, ""};
}

std::string socket_address(int fd) {
  const SocketAddress address = bound_address(fd);
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

}  // namespace lwc
