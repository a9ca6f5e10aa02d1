// SPDX-License-Identifier: Apache-2.0
#include "master/service_manager.hpp"

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "scoreboard.hpp"

namespace lwc::service_manager {
namespace {

struct FreeNames {
  void operator()(char** names) const {
    for (char** one = names; one != nullptr && *one != nullptr; ++one) {
      std::free(*one);
    }
    std::free(names);
  }
};

// A manager that is not there, or does not answer, is no reason to stop serving.
void tell(const std::string& state) {
  ::sd_notify(0, state.c_str());
}

std::string status_line(std::string_view status) {
  return "STATUS=" + std::string(status) + "\n";
}

}  // namespace

Result<std::vector<InheritedSocket>> take_sockets() {
  char** raw = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &raw);
  const std::unique_ptr<char*, FreeNames> names(raw);
  if (count < 0) {
    return errno_error("cannot take the sockets of the service manager (LISTEN_FDS)", -count);
  }
  std::vector<InheritedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    const int fd = SD_LISTEN_FDS_START + i;
    if (::sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0) {
      return Error{"descriptor " + std::to_string(fd) + " ('" + raw[i] +
                   "') of the service manager is no listening stream socket: a socket unit for "
                   "lwc-fpm needs ListenStream= and Accept=no"};
    }
    sockets.push_back({socket_address(fd), fd, true, raw[i]});
  }
  return sockets;
}

// MAINPID for the case that the process has gone to the background.
void ready(std::string_view status) {
  tell("READY=1\nMAINPID=" + std::to_string(::getpid()) + "\n" + status_line(status));
}

void reloading() {
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_ns() / 1000) +
       "\nSTATUS=Reloading\n");
}

void stopping() {
  tell("STOPPING=1\nSTATUS=Stopping\n");
}

void status(std::string_view status, bool alive) {
  tell((alive ? "WATCHDOG=1\n" : "") + status_line(status));
}

}  // namespace lwc::service_manager
