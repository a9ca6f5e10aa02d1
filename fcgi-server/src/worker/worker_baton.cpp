// SPDX-License-Identifier: Apache-2.0
// A slot's baton and the requests that travel with it, from one holder of the slot to another.
#include <poll.h>
#include <unistd.h>

#include <array>

#include "slot_protocol.hpp"
#include "worker/worker.hpp"

namespace lwc {
namespace {

constexpr int kBatonPollMs =
    1000;  // how often a holder without the baton looks whether the slot has ended

}  // namespace

// True once this holder serves the slot; false: it is to end.
bool Worker::wait_for_baton() {
  if (!state_->looked_into_inbox) {
    // The holder before this one may have died with the baton and with a request still in here.
    while (take_message() == Received::Message) {
    }
    state_->looked_into_inbox = true;
  }
  for (;;) {
    const Baton baton = slot_->baton.load();
    if (baton.is_held_by(own_)) {
      return true;
    }
    // A baton on its way to a holder that has just left is taken over by the base (Pool::fill_gap).
    bool retired = !board_->is_current(own_) && baton.at != own_;
    if (baton.at == kNobody || retired) {
      return false;
    }
    std::array<pollfd, 2> wait{pollfd{inbox_.get(), POLLIN, 0}, pollfd{control_.get(), 0, 0}};
    if (::poll(wait.data(), wait.size(), kBatonPollMs) > 0 && take_message() != Received::Message &&
        wait[1].revents != 0) {
      return false;  // the master is gone
    }
  }
}

// Takes one message out of the inbox, and the baton if it came with it.
Received Worker::take_message() {
  std::uint32_t kind = 0;
  Received received = peek_message(inbox_.get(), kind);
  if (received != Received::Message) {
    return received;
  }
  if (kind == static_cast<std::uint32_t>(SlotMessage::Baton)) {
    // Before the message is taken: whoever comes after this holder, should it die here, finds
    // both, or has the baton to go on with.
    slot_->baton = Baton{own_};
  }
  Message message;
  received = receive_message(inbox_.get(), message, false);
  if (received != Received::Message) {
    return received;
  }
  switch (static_cast<SlotMessage>(message.kind)) {
    case SlotMessage::Baton:
      if (!message.fds.empty()) {
        state_->connection = message.fds[0].release();
        state_->handed = true;
      }
      break;
    case SlotMessage::Recover:
      if (slot_->baton.load() == Baton{own_, message.number}) {
        slot_->baton = Baton{own_};
      }
      break;
    case SlotMessage::Link:
      if (message.fds.size() == 1 && find_link(message.snapshot) == nullptr &&
          state_->link_count < state_->links.size()) {
        state_->links[state_->link_count++] = {message.snapshot, message.fds[0].release()};
      }
      break;
    default:
      break;
  }
  return received;
}

// Hands the slot to its holder of `snapshot`, with the connection unless that is -1.
bool Worker::give_baton(SnapshotId snapshot, int connection) {
  if (snapshot == own_) {
    return false;
  }
  int link = link_to(snapshot);
  if (link < 0) {
    return false;
  }
  Message message;
  message.kind = static_cast<std::uint32_t>(SlotMessage::Baton);
  std::vector<int> fds;
  if (connection >= 0) {
    fds.push_back(connection);
  }
  // If this holder dies before the message is out, the master sends another
  // (SlotMessage::Recover).
  slot_->send_baton(own_, snapshot);
  if (!send_message(link, message, fds, false)) {
    slot_->baton = Baton{own_};
    forget_link(snapshot);
    return false;
  }
  if (connection >= 0) {
    ::close(connection);
    state_->connection = -1;
  }
  return true;
}

const Worker::Link* Worker::find_link(SnapshotId snapshot) const {
  for (std::uint32_t i = 0; i < state_->link_count; ++i) {
    if (state_->links[i].snapshot == snapshot) {
      return &state_->links[i];
    }
  }
  return nullptr;
}

void Worker::forget_link(SnapshotId snapshot) {
  for (std::uint32_t i = 0; i < state_->link_count; ++i) {
    if (state_->links[i].snapshot == snapshot) {
      ::close(state_->links[i].fd);
      state_->links[i] = state_->links[--state_->link_count];
      return;
    }
  }
}

// True when there may be an answer to read, false when there is no use in waiting for one any more.
bool Worker::wait_for_master(std::int64_t until_ns) const {
  while (board_->master_answers && monotonic_ns() < until_ns) {
    pollfd wait{control_.get(), POLLIN, 0};
    if (::poll(&wait, 1, kAnswerLookMs) > 0) {
      return true;
    }
  }
  return false;
}

int Worker::link_to(SnapshotId snapshot) {
  if (const Link* known = find_link(snapshot)) {
    return known->fd;
  }
  if (state_->link_count == state_->links.size()) {
    forget_link(state_->links[0].snapshot);
  }
  Message ask;
  ask.kind = static_cast<std::uint32_t>(SlotMessage::NeedLink);
  ask.snapshot = snapshot;
  if (!send_message(control_.get(), ask, {}, false)) {
    return -1;
  }
  const std::int64_t until_ns = monotonic_ns() + kAnswerTimeoutMs * kMillisecond;
  Message answer;
  while (wait_for_master(until_ns)) {
    Received received = receive_message(control_.get(), answer, false);
    if (received == Received::Closed) {
      return -1;
    }
    if (received == Received::Message && answer.snapshot == snapshot &&
        answer.kind != static_cast<std::uint32_t>(SlotMessage::Log)) {
      if (answer.fds.size() != 1) {
        return -1;
      }
      int fd = answer.fds[0].release();
      state_->links[state_->link_count++] = {snapshot, fd};
      return fd;
    }
  }
  return -1;
}

}  // namespace lwc
