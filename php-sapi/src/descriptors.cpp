// SPDX-License-Identifier: Apache-2.0
#include "descriptors.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

namespace lwc::php {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

std::string link_target(int fd) {
  char target[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), target, sizeof(target));
  return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

std::string unix_path(const Address& address) {
  const auto* unix_address = reinterpret_cast<const sockaddr_un*>(&address.storage);
  const std::size_t header = offsetof(sockaddr_un, sun_path);
  if (address.length <= header) {
    return {};
  }
  std::string path(unix_address->sun_path, address.length - header);
  if (path[0] == '\0') {
    path[0] = '@';  // an abstract name, as ss(8) prints it
  }
  return path.substr(0, path.find('\0'));
}

/// "127.0.0.1:3306" or "[::1]:3306".
std::string host_and_port(const Address& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(in6->sin6_port));
  }
  const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
  ::inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
  return std::string(host) + ":" + std::to_string(ntohs(in->sin_port));
}

/// " (mysql)", or nothing for a port without a name.
std::string service(const Address& address, const char* protocol) {
  const in_port_t port = address.storage.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port
                             : reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port;
  const servent* entry = ::getservbyport(port, protocol);
  return entry != nullptr ? " (" + std::string(entry->s_name) + ")" : std::string();
}

void describe_unix(const Address& own, const Address& peer, bool connected, bool listens,
                   Descriptor& out) {
  const std::string path = unix_path(connected && peer.length > 0 ? peer : own);
  out.name = path.empty() ? "unix:" : "unix:" + path;
  out.description = path.empty() ? "an unnamed Unix socket"
                    : connected  ? "a Unix socket connection to " + path
                    : listens    ? "a Unix socket listening on " + path
                                 : "a Unix socket bound to " + path;
}

void describe_internet(int type, const Address& own, const Address& peer, bool connected,
                       bool listens, Descriptor& out) {
  const char* protocol = type == SOCK_DGRAM ? "udp" : "tcp";
  const char* label = type == SOCK_DGRAM ? "UDP" : "TCP";
  const Address& named = connected ? peer : own;
  const char* relation = connected ? " connection to "
                         : listens ? " socket listening on "
                                   : " socket bound to ";
  out.name = std::string(protocol) + ":" + host_and_port(named);
  out.description =
      std::string("a ") + label + relation + host_and_port(named) + service(named, protocol);
}

int socket_option(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  ::getsockopt(fd, SOL_SOCKET, option, &value, &length);
  return value;
}

void describe_socket(int fd, Descriptor& out) {
  Address own;
  Address peer;
  own.length = sizeof(own.storage);
  peer.length = sizeof(peer.storage);
  const int type = socket_option(fd, SO_TYPE);
  const bool listens = socket_option(fd, SO_ACCEPTCONN) != 0;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own.storage), &own.length) != 0) {
    own.length = 0;
  }
  const bool connected =
      ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length) == 0;
  switch (own.storage.ss_family) {
    case AF_UNIX:
      describe_unix(own, peer, connected, listens, out);
      break;
    case AF_INET:
    case AF_INET6:
      describe_internet(type, own, peer, connected, listens, out);
      break;
    default:
      out.name = "socket";
      out.description = "a socket of family " + std::to_string(own.storage.ss_family);
  }
}

void describe_file(int fd, const struct stat& status, const std::string& target, Descriptor& out) {
  const int flags = ::fcntl(fd, F_GETFL);
  out.name = target;
  const bool reads_only = (flags & O_ACCMODE) == O_RDONLY;
  if (S_ISREG(status.st_mode)) {
    out.read_only_file = reads_only;
    out.description =
        "the file " + target + (reads_only ? ", open for reading" : ", open to write");
  } else if (S_ISDIR(status.st_mode)) {
    out.description = "the directory " + target;
  } else {
    out.description = "the device " + target;
  }
}

bool is_stateless_device(const std::string& name) {
  return name == "/dev/null" || name == "/dev/urandom" || name == "/dev/random" ||
         name == "/dev/zero";
}

}  // namespace

OpenSet open_descriptors() {
  OpenSet open;
  const Directory directory(::opendir("/proc/self/fd"));
  if (!directory) {
    return open;
  }
  while (const dirent* entry = ::readdir(directory.get())) {
    const int fd = std::atoi(entry->d_name);
    struct stat status;
    if (entry->d_name[0] != '.' && fd != ::dirfd(directory.get()) && ::fstat(fd, &status) == 0) {
      open[fd] = {status.st_dev, status.st_ino};
    }
  }
  return open;
}

Descriptor describe(int fd) {
  Descriptor out;
  out.fd = fd;
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    out.name = "closed";
    out.description = "closed";
    return out;
  }
  const std::string target = link_target(fd);
  if (S_ISSOCK(status.st_mode)) {
    describe_socket(fd, out);
  } else if (S_ISFIFO(status.st_mode)) {
    const bool named = target.starts_with('/');
    out.name = named ? target : "pipe";
    out.description = named ? "the named pipe " + target : "a pipe";
  } else if (target.starts_with('/')) {
    describe_file(fd, status, target, out);
  } else {
    std::string kind = target.substr(target.find(':') + 1);
    std::erase(kind, '[');
    std::erase(kind, ']');
    out.name = "anon:" + kind;
    out.description = "a kernel object of kind " + kind;
  }
  return out;
}

bool is_allowed(const Descriptor& descriptor, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (::fnmatch(pattern.c_str(), descriptor.name.c_str(), 0) == 0) {
      return true;
    }
  }
  return false;
}

std::vector<Descriptor> opened_since(const OpenSet& before) {
  std::vector<Descriptor> opened;
  for (const auto& [fd, identity] : open_descriptors()) {
    const auto found = before.find(fd);
    if (found != before.end() && found->second == identity) {
      continue;
    }
    Descriptor descriptor = describe(fd);
    if (!is_stateless_device(descriptor.name)) {
      opened.push_back(std::move(descriptor));
    }
  }
  return opened;
}

int thread_count() {
  struct stat status {};
  return ::stat("/proc/self/task", &status) == 0 ? static_cast<int>(status.st_nlink) - 2 : 1;
}

std::vector<std::string> child_processes() {
  std::vector<std::string> children;
  std::ifstream list("/proc/self/task/" + std::to_string(::getpid()) + "/children");
  for (std::string pid; list >> pid;) {
    std::string name = "?";
    std::ifstream("/proc/" + pid + "/comm") >> name;
    children.push_back(pid + " (" + name + ")");
  }
  return children;
}

std::vector<std::string> held_locks(const OpenSet& before) {
  std::vector<std::string> locks;
  std::map<std::pair<dev_t, ino_t>, int> open;
  for (const auto& [fd, identity] : open_descriptors()) {
    open.emplace(identity, fd);
  }
  for (const auto& [fd, identity] : before) {
    open.erase(identity);
  }
  std::ifstream table("/proc/locks");
  for (std::string line; std::getline(table, line);) {
    // "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"
    std::istringstream fields(line);
    std::string number, kind, mode, access, file;
    long pid = 0;
    unsigned major = 0, minor = 0;
    unsigned long inode = 0;
    if (!(fields >> number >> kind >> mode >> access >> pid >> file) || pid != ::getpid() ||
        std::sscanf(file.c_str(), "%x:%x:%lu", &major, &minor, &inode) != 3) {
      continue;
    }
    const auto found = open.find({makedev(major, minor), inode});
    if (found != open.end()) {
      locks.push_back((kind == "FLOCK" ? "flock on " : "fcntl lock on ") +
                      describe(found->second).name);
    }
  }
  return locks;
}

}  // namespace lwc::php
