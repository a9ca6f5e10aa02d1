// SPDX-License-Identifier: Apache-2.0
#include "old_workers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sstream>

namespace lwc {
namespace {

constexpr const char* kSockets =
    "FPM_SOCKETS";  // php-fpm's name and format: "address=fd,address=fd"
constexpr const char* kActivated =
    "LWC_FPM_ACTIVATED";  // the service manager's sockets: "fd=name:fd=name"
constexpr const char* kPids = "LWC_FPM_OLD_PIDS";
constexpr const char* kFds = "LWC_FPM_OLD_FDS";

void set_close_on_exec(int fd, bool on) {
  ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

template <typename T>
std::string join(const std::vector<T>& numbers) {
  std::ostringstream text;
  for (T number : numbers) {
    text << number << ' ';
  }
  return text.str();
}

template <typename T>
std::vector<T> take_numbers(const char* name) {
  std::vector<T> numbers;
  if (const char* value = std::getenv(name)) {
    std::istringstream text(value);
    for (T number; text >> number;) {
      numbers.push_back(number);
    }
    ::unsetenv(name);
  }
  return numbers;
}

bool is_inherited(int fd) {
  return fd > 2 && ::fcntl(fd, F_GETFD) >= 0;
}

void take_own_sockets(std::vector<InheritedSocket>& sockets) {
  const char* value = std::getenv(kSockets);
  std::istringstream text(value != nullptr ? value : "");
  for (std::string one; std::getline(text, one, ',');) {
    std::size_t equals = one.rfind('=');
    int fd = equals == std::string::npos ? -1 : std::atoi(one.c_str() + equals + 1);
    if (is_inherited(fd)) {
      set_close_on_exec(fd, true);
      sockets.push_back({one.substr(0, equals), fd, false, ""});
    }
  }
  ::unsetenv(kSockets);
}

void take_activated_sockets(std::vector<InheritedSocket>& sockets) {
  const char* value = std::getenv(kActivated);
  std::istringstream text(value != nullptr ? value : "");
  for (std::string one; std::getline(text, one, ':');) {
    std::size_t equals = one.find('=');
    int fd = equals == std::string::npos ? -1 : std::atoi(one.c_str());
    if (is_inherited(fd)) {
      set_close_on_exec(fd, true);
      sockets.push_back({socket_address(fd), fd, true, one.substr(equals + 1)});
    }
  }
  ::unsetenv(kActivated);
}

}  // namespace

OldWorkers OldWorkers::from_environment(std::vector<InheritedSocket>& sockets) {
  take_own_sockets(sockets);
  take_activated_sockets(sockets);
  OldWorkers old;
  old.pids_ = take_numbers<pid_t>(kPids);
  old.fds_ = take_numbers<int>(kFds);
  for (int fd : old.fds_) {
    set_close_on_exec(fd, true);
  }
  return old;
}

void OldWorkers::to_environment(const std::vector<InheritedSocket>& sockets,
                                const std::vector<pid_t>& workers,
                                const std::vector<int>& worker_fds) {
  std::string own;
  std::string activated;
  for (const InheritedSocket& one : sockets) {
    set_close_on_exec(one.fd, false);
    if (one.activated) {
      activated += (activated.empty() ? "" : ":") + std::to_string(one.fd) + "=" + one.name;
    } else {
      own += (own.empty() ? "" : ",") + one.address + "=" + std::to_string(one.fd);
    }
  }
  for (int fd : worker_fds) {
    set_close_on_exec(fd, false);
  }
  ::setenv(kSockets, own.c_str(), 1);
  ::setenv(kActivated, activated.c_str(), 1);
  ::setenv(kPids, join(workers).c_str(), 1);
  ::setenv(kFds, join(worker_fds).c_str(), 1);
}

void OldWorkers::finish() {
  signal_all(SIGQUIT);
}

void OldWorkers::signal_all(int signal) const {
  for (pid_t pid : pids_) {
    ::kill(pid, signal);
  }
}

bool OldWorkers::on_exit(pid_t pid) {
  bool mine = std::erase(pids_, pid) > 0;
  if (pids_.empty()) {
    for (int fd : fds_) {
      ::close(fd);
    }
    fds_.clear();
  }
  return mine;
}

}  // namespace lwc
