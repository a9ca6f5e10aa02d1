// SPDX-License-Identifier: Apache-2.0
#include "master/old_workers.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>

#include "scoreboard.hpp"

namespace lwc {
namespace {

constexpr const char* kSockets =
    "FPM_SOCKETS";  // php-fpm's name and format: "address=fd,address=fd"
constexpr const char* kActivated =
    "LWC_FPM_ACTIVATED";  // the service manager's sockets: "fd=name:fd=name"
constexpr const char* kPids = "LWC_FPM_OLD_PIDS";
constexpr const char* kLinks = "LWC_FPM_OLD_FDS";
constexpr const char* kControls = "LWC_FPM_OLD_CONTROLS";
constexpr const char* kOutputs =
    "LWC_FPM_OLD_OUTPUTS";  // a line each: "fd pid is_stdout decorate pool"
constexpr const char* kLog = "LWC_FPM_LOG";

// A request may keep the signal from its worker; the new workers are not to wait for it.
constexpr std::int64_t kPatience = 500'000'000;  // ns

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

std::vector<int> take_descriptors(const char* name) {
  std::vector<int> fds = take_numbers<int>(name);
  for (int fd : fds) {
    set_close_on_exec(fd, true);
  }
  return fds;
}

std::vector<CaughtOutput::Source> take_outputs() {
  const char* value = std::getenv(kOutputs);
  std::istringstream text(value != nullptr ? value : "");
  std::vector<CaughtOutput::Source> outputs;
  for (CaughtOutput::Source one; text >> one.fd >> one.pid >> one.is_stdout >> one.decorate &&
                                 std::getline(text >> std::ws, one.pool);) {
    set_close_on_exec(one.fd, true);
    outputs.push_back(one);
  }
  ::unsetenv(kOutputs);
  return outputs;
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

Handover Handover::from_environment() {
  Handover from;
  take_own_sockets(from.sockets);
  take_activated_sockets(from.sockets);
  from.workers = take_numbers<pid_t>(kPids);
  from.links = take_descriptors(kLinks);
  from.controls = take_numbers<int>(kControls);
  from.outputs = take_outputs();
  from.log = take_descriptors(kLog);
  return from;
}

void Handover::to_environment() const {
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
  std::ostringstream caught;
  for (const CaughtOutput::Source& one : outputs) {
    set_close_on_exec(one.fd, false);
    caught << one.fd << ' ' << one.pid << ' ' << one.is_stdout << ' ' << one.decorate << ' '
           << one.pool << '\n';
  }
  for (const std::vector<int>* fds : {&links, &log}) {
    for (int fd : *fds) {
      set_close_on_exec(fd, false);
    }
  }
  ::setenv(kSockets, own.c_str(), 1);
  ::setenv(kActivated, activated.c_str(), 1);
  ::setenv(kPids, join(workers).c_str(), 1);
  ::setenv(kLinks, join(links).c_str(), 1);
  ::setenv(kControls, join(controls).c_str(), 1);
  ::setenv(kOutputs, caught.str().c_str(), 1);
  ::setenv(kLog, join(log).c_str(), 1);
}

OldWorkers::OldWorkers(Handover handover)
    : pids_(std::move(handover.workers)),
      links_(std::move(handover.links)),
      controls_(std::move(handover.controls)) {
  pid_t last = 0;
  for (CaughtOutput::Source& one : handover.outputs) {
    if (one.pid != last) {
      outputs_.emplace_back();
    }
    last = one.pid;
    outputs_.back().add(std::move(one));
  }
}

void OldWorkers::finish() {
  signal_all(SIGQUIT);
  const std::int64_t deadline = monotonic_ns() + kPatience;
  auto waited_for = [this](pid_t pid) { return !take_no_more(pid); };
  while (std::any_of(pids_.begin(), pids_.end(), waited_for) && monotonic_ns() < deadline) {
    std::vector<pollfd> controls;
    controls.reserve(controls_.size());
    for (int fd : controls_) {
      controls.push_back({fd, POLLIN, 0});
    }
    // One that ends without a word is seen at the next look.
    ::poll(controls.data(), controls.size(), 1);
    read_answers();
  }
}

void OldWorkers::remind() {
  if (pids_.empty()) {
    return;
  }
  read_answers();
  for (pid_t pid : pids_) {
    if (!take_no_more(pid)) {
      ::kill(pid, SIGQUIT);
    }
  }
}

void OldWorkers::read_answers() {
  for (int fd : controls_) {
    std::array<char, 256> packet;  // messages for the master before the reload end here as well
    for (ssize_t got;
         (got = ::recv(fd, packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC)) > 0;) {
      if (pid_t pid = 0; got == sizeof pid) {
        std::memcpy(&pid, packet.data(), sizeof pid);
        deaf_.push_back(pid);
      }
    }
  }
}

// Not reaped here: that is the master's business.
bool OldWorkers::take_no_more(pid_t pid) const {
  siginfo_t info{};
  return std::find(deaf_.begin(), deaf_.end(), pid) != deaf_.end() ||
         ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid;
}

void OldWorkers::signal_all(int signal) const {
  for (pid_t pid : pids_) {
    ::kill(pid, signal);
  }
}

bool OldWorkers::on_exit(pid_t pid) {
  bool mine = std::erase(pids_, pid) > 0;
  if (mine) {
    for (CaughtOutput& output : outputs_) {
      output.drain();
    }
  }
  if (mine && pids_.empty()) {
    for (int fd : links_) {
      ::close(fd);
    }
    links_.clear();
    controls_.clear();
  }
  return mine;
}

std::vector<int> OldWorkers::fds() const {
  std::vector<int> all = links_;
  for (const CaughtOutput& output : outputs_) {
    for (const CaughtOutput::Source& one : output.sources()) {
      all.push_back(one.fd);
    }
  }
  return all;
}

void OldWorkers::add_fds(std::vector<pollfd>& fds) const {
  for (const CaughtOutput& output : outputs_) {
    output.add_fds(fds);
  }
}

void OldWorkers::on_readable(int fd) {
  for (CaughtOutput& output : outputs_) {
    if (output.on_readable(fd)) {
      return;
    }
  }
}

void OldWorkers::hand_over(Handover& to) const {
  to.workers.insert(to.workers.end(), pids_.begin(), pids_.end());
  to.links.insert(to.links.end(), links_.begin(), links_.end());
  to.controls.insert(to.controls.end(), controls_.begin(), controls_.end());
  for (const CaughtOutput& output : outputs_) {
    const std::vector<CaughtOutput::Source> sources = output.sources();
    to.outputs.insert(to.outputs.end(), sources.begin(), sources.end());
  }
}

}  // namespace lwc
