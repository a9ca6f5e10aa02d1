// SPDX-License-Identifier: Apache-2.0
#include "fastcgi/fcgi_transport.hpp"

#include <fcgios.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "fastcgi/request_bounds.hpp"

namespace lwc {
namespace {

constexpr std::size_t kMaxDrain =
    1 << 20;  // bytes of an unread body worth reading to keep a connection

// libfcgi calls this when its buffer is full or flushed: the moment from which an answer is on its
// way and an error page can no longer replace it.
ChildReport* g_report = nullptr;
void (*g_send_buffer)(FCGX_Stream*, int) = nullptr;

void note_and_send(FCGX_Stream* stream, int close) {
  g_report->answer_started = 1;
  g_send_buffer(stream, close);
}

// What libfcgi may read of the connection: it would take as much as fits its buffer.
RequestBounds g_bounds;
std::size_t g_known = 0;  // bytes that are the request's, whatever the bounds say
int g_connection = -1;

FcgiTransport* g_transport = nullptr;  // the one of this process

long read_within_bounds(int fd, unsigned char* to, std::size_t size) {
  if (g_bounds.ended()) {
    return 0;
  }
  if (g_known > 0) {
    size = std::min(size, g_known);
  } else if (g_bounds.certain() < size) {
    const ssize_t there = ::recv(fd, to, size, MSG_PEEK);
    if (there <= 0) {
      return there;
    }
    RequestBounds look_ahead = g_bounds;
    size = look_ahead.take({to, static_cast<std::size_t>(there)});
  }
  const ssize_t got = ::read(fd, to, size);
  if (got > 0) {
    g_bounds.take({to, static_cast<std::size_t>(got)});
    g_known -= std::min(g_known, static_cast<std::size_t>(got));
  }
  return got;
}

}  // namespace

FcgiTransport::FcgiTransport(std::function<void()> answered) : answered_(std::move(answered)) {
  FCGX_Init();
  FCGX_InitRequest(&request_, -1, 0);  // no listening socket: libfcgi never accepts by itself
  constexpr std::size_t kUsualParams = 64;
  params_.reserve(kUsualParams);
  forget_params();
  g_transport = this;
  ::pthread_atfork(nullptr, nullptr, [] { g_transport->leave_to_parent(); });
}

void FcgiTransport::leave_to_parent() noexcept {
  is_copy_ = true;
  if (open_) {
    open_ = false;
    ::close(request_.ipcFd);
  }
}

bool FcgiTransport::open(int connection, std::size_t known, ChildReport& report) noexcept {
  report_ = &report;
  is_copy_ = false;
  body_ended_ = false;
  g_bounds = RequestBounds{};
  g_known = known;
  g_connection = connection;
  request_.ipcFd = connection;
  request_.keepConnection =
      1;  // FCGX_Accept_r first finishes "the request before", which would close it
  // With a request on a connection that is not FastCGI, libfcgi closes it and tries to accept the
  // next: that fails.
  if (FCGX_Accept_r(&request_) < 0) {
    if (request_.ipcFd >= 0) {
      ::close(request_.ipcFd);
      request_.ipcFd = -1;
    }
    return false;
  }
  open_ = true;
  split_params();
  report.unread_input = 1;
  g_report = &report;
  g_send_buffer = request_.out->emptyBuffProc;
  request_.out->emptyBuffProc = note_and_send;
  return true;
}

void FcgiTransport::wait_without_limit() noexcept {
  timeval unlimited{};
  ::setsockopt(request_.ipcFd, SOL_SOCKET, SO_RCVTIMEO, &unlimited, sizeof unlimited);
}

void FcgiTransport::skip_body() noexcept {
  char nothing;
  read(&nothing, 1);
}

std::size_t FcgiTransport::hash_of(std::string_view name) {
  // std::hash is a call for each name, and longer.
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  std::uint64_t hash = name.size();
  while (!name.empty()) {
    std::uint64_t part = 0;
    const std::size_t size = std::min(name.size(), sizeof part);
    std::memcpy(&part, name.data(), size);
    hash = (hash ^ part) * kGolden;
    hash ^= hash >> 32;
    name.remove_prefix(size);
  }
  return hash % std::tuple_size_v<decltype(last_of_hash_)>;
}

std::uint16_t FcgiTransport::find(std::string_view name, std::uint16_t last) const {
  std::uint16_t index = last;
  while (index != kNone && params_[index].name != name) {
    index = params_[index].same_hash;
  }
  return index;
}

// Splits libfcgi's "NAME=value" texts in place. Of a parameter that was sent twice the last one
// counts, as in php-fpm: nginx sends both when a file that is included sets it and the location
// sets it again.
void FcgiTransport::split_params() noexcept {
  forget_params();
  for (char** entry = request_.envp; entry != nullptr && *entry != nullptr; ++entry) {
    char* equals = std::strchr(*entry, '=');
    if (equals == nullptr || params_.size() == kNone) {
      continue;
    }
    *equals = '\0';
    const std::string_view name(*entry, static_cast<std::size_t>(equals - *entry));
    std::uint16_t& last = last_of_hash_[hash_of(name)];
    const std::uint16_t known = find(name, last);
    if (known != kNone) {
      params_[known].value = equals + 1;
      continue;
    }
    params_.push_back({name, equals + 1, last});
    last = static_cast<std::uint16_t>(params_.size() - 1);
  }
}

void FcgiTransport::forget_params() noexcept {
  last_of_hash_.fill(kNone);
  params_.clear();
}

const char* FcgiTransport::param(const char* name) const noexcept {
  const std::uint16_t found = find(name, last_of_hash_[hash_of(name)]);
  return found != kNone ? params_[found].value : nullptr;
}

void FcgiTransport::each_param(ParamVisitor visit, void* context) const noexcept {
  for (const Param& one : params_) {
    visit(one.name.data(), one.value, context);
  }
}

std::size_t FcgiTransport::read(char* buffer, std::size_t size) noexcept {
  if (!open_ || body_ended_) {
    return 0;
  }
  int got =
      FCGX_GetStr(buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX)), request_.in);
  if (got < static_cast<int>(size)) {
    body_ended_ = true;
    report_->unread_input = 0;
  }
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool FcgiTransport::write(const char* data, std::size_t size) noexcept {
  while (open_ && size > 0) {
    int part = static_cast<int>(std::min<std::size_t>(size, INT_MAX));
    if (FCGX_PutStr(data, part, request_.out) != part) {
      return false;
    }
    data += part;
    size -= static_cast<std::size_t>(part);
  }
  return open_ || is_copy_;
}

bool FcgiTransport::flush() noexcept {
  return is_copy_ || (open_ && FCGX_FFlush(request_.out) == 0);
}

void FcgiTransport::write_error(const char* text, std::size_t size) noexcept {
  if (open_) {
    FCGX_PutStr(text, static_cast<int>(std::min<std::size_t>(size, INT_MAX)), request_.err);
  }
}

bool FcgiTransport::drain() noexcept {
  std::array<char, 8192> drop;
  for (std::size_t total = 0; !body_ended_ && total < kMaxDrain; total += drop.size()) {
    read(drop.data(), drop.size());
  }
  return body_ended_;
}

void FcgiTransport::finish() noexcept {
  if (!open_) {
    return;
  }
  open_ = false;
  bool keep = request_.keepConnection != 0;
  if (keep) {
    open_ = true;
    keep = drain();
    open_ = false;
  }
  int connection = request_.ipcFd;
  forget_params();  // their texts are freed below
  request_.keepConnection =
      1;  // libfcgi shall not close: it would wait for the client to close first
  bool failed = FCGX_GetError(request_.out) != 0;
  FCGX_Finish_r(&request_);
  request_.ipcFd = -1;
  report_->answer_started = 1;
  report_->answer_finished = 1;
  report_->keep_connection = keep && !failed ? 1 : 0;
  if (report_->keep_connection == 0) {
    ::shutdown(
        connection,
        SHUT_WR);  // the server holds a descriptor too: closing ours is not seen by the client
  }
  ::close(connection);
  answered_();
}

}  // namespace lwc

// libfcgi reads with this function, which it exports; ours comes first.
extern "C" int OS_Read(int fd, char* to, std::size_t size) {
  if (fd == lwc::g_connection) {
    return static_cast<int>(
        lwc::read_within_bounds(fd, reinterpret_cast<unsigned char*>(to), size));
  }
  return static_cast<int>(::read(fd, to, size));
}
