// SPDX-License-Identifier: Apache-2.0
// From the line of waiting clients to a request whose head has been looked at.
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "caught_output.hpp"
#include "fastcgi/management_record.hpp"
#include "log.hpp"
#include "worker/worker.hpp"

namespace lwc {
namespace {

constexpr std::size_t kPeek =
    std::size_t{64} * 1024;  // bytes of a request that are looked at to choose a snapshot
constexpr int kFirstByteTimeoutMs =
    5000;  // as php-fpm: a client that connects has 5 seconds to say something
constexpr int kPatienceMs = 100;  // a head that stops growing for so long goes to the base as it is
constexpr int kHeadMs = 5000;     // and so does one that has not come to its end after so long
constexpr int kSilenceSeconds =
    30;                            // and its client may be silent for so long before it is given up
constexpr int kKeepPollMs = 1000;  // how often an idle kept connection looks whether to stop

// The bytes of one request's head. Static: a holder serves one request at a time.
std::array<unsigned char, kPeek> g_peek;

}  // namespace

// True with a request in sight on state_->connection.
bool Worker::take_connection() {
  if (state_->connection >= 0) {
    if (!wait_readable(kKeepPollMs)) {
      return false;
    }
  } else if (!accept_connection()) {
    return false;
  }
  forget_last_request();
  // In this order: the master ends a worker that is busy with a request that began long ago.
  slot_->request_started_ns = monotonic_ns();
  slot_->stage = Stage::ReadingHeaders;
  set_active(*board_, *slot_, true);
  if (!look_at_request()) {
    drop_connection();
    return false;
  }
  return true;
}

bool Worker::accept_connection() {
  SocketAddress peer;
  state_->connection = ::accept4(listen_fd_, &peer.any, &peer.length, SOCK_CLOEXEC);
  if (state_->connection < 0) {
    if (errno != EINTR && errno != ECONNABORTED && errno != EINVAL && errno != EAGAIN) {
      log_.send(php::LogLevel::Error, options_.pool,
                errno_error("failed to accept a connection").message);
      ::poll(nullptr, 0, kPauseMs);  // out of descriptors, say: let others end first
    }
    return false;
  }
  if (!is_allowed(peer, options_.allowed_clients)) {
    worker_error("Connection disallowed: IP address '" + describe(peer) + "' has been dropped.");
    drop_connection();
    return false;
  }
  return true;
}

bool Worker::wait_readable(int timeout_ms) {
  pollfd wait{state_->connection, POLLIN, 0};
  return ::poll(&wait, 1, timeout_ms) > 0;
}

// Fills head_. False: there is nothing here that could be answered.
bool Worker::look_at_request() {
  std::size_t seen = 0;
  const std::int64_t begun_ns = slot_->request_started_ns;
  std::int64_t grown_ns = begun_ns;
  slot_->slow_client = false;
  for (;;) {
    ssize_t got = ::recv(state_->connection, g_peek.data(), g_peek.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      return false;
    }
    if (got < 0) {
      // By the clock: a signal, to stop or to open the logs anew, is no reason to lose a client
      // that has just connected.
      const std::int64_t waited_ms = (monotonic_ns() - begun_ns) / kMillisecond;
      if (waited_ms >= kFirstByteTimeoutMs) {
        return false;
      }
      wait_readable(kFirstByteTimeoutMs - static_cast<int>(waited_ms));
      continue;
    }
    std::span<const unsigned char> bytes{g_peek.data(), static_cast<std::size_t>(got)};
    head_ = read_head(bytes, std::move(head_));
    switch (head_.state) {
      case RequestHead::State::Bad:
        return false;
      case RequestHead::State::Complete:
      case RequestHead::State::Ignored:
        return true;
      case RequestHead::State::Management:
        if (monotonic_ns() - begun_ns < kHeadMs * kMillisecond &&
            answer_management_record(state_->connection, bytes, board_->slot_count)) {
          continue;
        }
        break;
      case RequestHead::State::Incomplete:
        break;
    }
    std::int64_t now = monotonic_ns();
    grown_ns = bytes.size() > seen ? now : grown_ns;
    seen = bytes.size();
    if (seen == g_peek.size() || now - grown_ns > kPatienceMs * kMillisecond ||
        now - begun_ns > kHeadMs * kMillisecond) {
      // Too long to look at, or so slow that it may be waiting for us to read. The base can serve
      // any request; its child gives up when the client falls silent.
      slot_->slow_client = true;
      timeval limit{kSilenceSeconds, 0};
      ::setsockopt(state_->connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      return true;
    }
    // The socket stays readable while we only peek, so wait by the clock.
    pollfd hangup{state_->connection, POLLRDHUP, 0};
    if (::poll(&hangup, 1, 1) > 0) {
      return false;
    }
  }
}

void Worker::drop_connection() {
  ::close(state_->connection);
  state_->connection = -1;
}

}  // namespace lwc
