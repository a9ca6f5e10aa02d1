// SPDX-License-Identifier: Apache-2.0
// Worker slots of a pool: starting holders, connecting them, and filling the gap when one dies.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <iterator>
#include <utility>

#include "exit_words.hpp"
#include "log.hpp"
#include "master/pool.hpp"
#include "slot_protocol.hpp"
#include "worker/pool_process.hpp"

namespace lwc {
namespace {

// More of them at a time might not go into a template's queue of messages.
constexpr int kMostAskedFor = 128;

}  // namespace

void Pool::start_worker(std::uint32_t index) {
  WorkerSlot& slot = slots_[index];
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    log::error(config_.name, pair.error().message);
    return;
  }
  slot = WorkerSlot{};
  slot.live = true;
  ++limit_.running;
  limit_.warned = false;
  slot.control = std::move(pair->master);
  slot.control_other = std::move(pair->other);
  Slot& shared = board_->slot(index);
  shared.stop = kGoOn;
  shared.requests = 0;
  shared.baton = Baton{};
  shared.stage = Stage::Idle;
  shared.idle_since_ns = monotonic_ns();
  shared.worker_started_ns = realtime_ns();
  shared.in_use = 1;
  board_->slots_touched = std::max(board_->slots_touched.load(), index + 1);
  spawn_holder(index, kBaseSnapshot);
}

Pool::Inbox* Pool::inbox(std::uint32_t index, SnapshotId snapshot) {
  WorkerSlot& slot = slots_[index];
  if (auto known = slot.inboxes.find(snapshot); known != slot.inboxes.end()) {
    return &known->second;
  }
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    log::error(config_.name, pair.error().message);
    return nullptr;
  }
  return &slot.inboxes.emplace(snapshot, Inbox{std::move(pair->master), std::move(pair->other)})
              .first->second;
}

// False: nobody could be asked for one. For a base holder that is made good by
// restore_base_holders().
bool Pool::spawn_holder(std::uint32_t index, SnapshotId snapshot) {
  auto made_from = templates_.find(snapshot);
  if (made_from == templates_.end() || !made_from->second.ready ||
      made_from->second.asked_for >= kMostAskedFor) {
    return false;
  }
  Inbox* box = inbox(index, snapshot);
  if (box == nullptr) {
    return false;
  }
  WorkerSlot& slot = slots_[index];
  if (snapshot != kBaseSnapshot) {
    // The way back to the base comes first: with it, a holder can get rid of any request.
    if (Inbox* base = inbox(index, kBaseSnapshot)) {
      Message link;
      link.kind = static_cast<std::uint32_t>(SlotMessage::Link);
      link.snapshot = kBaseSnapshot;
      [[maybe_unused]] Status sent = send_message(box->send.get(), link, {base->send.get()}, false);
      box = inbox(index, snapshot);
    }
  }
  Status asked =
      made_from->second.handle.spawn(index, slot.control_other.get(), box->receive.get());
  if (!asked) {
    log::error(config_.name, "cannot start a worker: " + asked.error().message);
    return false;
  }
  slot.starting.push_back(snapshot);
  ++made_from->second.asked_for;
  return true;
}

// A template is gone, and with it the holders it was asked for and had not forked.
void Pool::forget_starting(SnapshotId snapshot) {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    WorkerSlot& slot = slots_[i];
    bool there =
        std::any_of(slot.holders.begin(), slot.holders.end(),
                    [snapshot](const Holder& holder) { return holder.snapshot == snapshot; });
    if (slot.live && std::erase(slot.starting, snapshot) > 0 && snapshot != kBaseSnapshot &&
        !there) {
      reroute_to_base(i, snapshot);
    }
  }
}

// Slots that have no base holder, as there was no base template, or it had enough to do, get one.
void Pool::restore_base_holders() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    WorkerSlot& slot = slots_[i];
    bool there = std::any_of(slot.holders.begin(), slot.holders.end(),
                             [](const Holder& holder) { return holder.snapshot == kBaseSnapshot; });
    bool starting =
        std::find(slot.starting.begin(), slot.starting.end(), kBaseSnapshot) != slot.starting.end();
    const bool ended = board_->slot(i).baton.load().at == kNobody;
    if (slot.live && !ended && !there && !starting) {
      spawn_holder(i, kBaseSnapshot);
    }
  }
}

// One that was asked for is there, or will not be.
void Pool::on_answered(const TemplateEvent& event) {
  std::vector<SnapshotId>& starting = slots_[event.slot].starting;
  auto asked = std::find(starting.begin(), starting.end(), event.snapshot);
  if (asked == starting.end()) {
    return;
  }
  starting.erase(asked);
  if (auto from = templates_.find(event.snapshot); from != templates_.end()) {
    --from->second.asked_for;
  }
}

void Pool::on_spawned(const TemplateEvent& event) {
  on_answered(event);
  WorkerSlot& slot = slots_[event.slot];
  slot.holders.push_back({event.pid, event.snapshot, monotonic_ns()});
  if (Slot& shared = board_->slot(event.slot); shared.baton.load().at == event.snapshot) {
    shared.server_pid = event.pid;  // for the status page, until the holder says so itself
  }
  const log::Level level =
      std::exchange(slot.replacing, false) ? log::Level::Notice : log::Level::Debug;
  log::write(
      level, config_.name,
      "child " + std::to_string(event.pid) + " started" +
          (event.snapshot == kBaseSnapshot ? ""
                                           : " from snapshot " + std::to_string(event.snapshot)));
  auto base = templates_.find(kBaseSnapshot);
  if (base != templates_.end() && base->second.asked_for == 0 && !stopping_) {
    restore_base_holders();  // those that were too many to be asked for at once
  }
}

void Pool::on_slot_message(std::uint32_t index) {
  Message message;
  if (receive_message(slots_[index].control.get(), message, false) != Received::Message) {
    return;
  }
  switch (static_cast<SlotMessage>(message.kind)) {
    case SlotMessage::NeedLink:
      answer_link(index, message.snapshot);
      break;
    case SlotMessage::WantSnapshot:
      if (config_.lwc_snapshots && !stopping_) {
        on_wanted(message.text);
      }
      break;
    case SlotMessage::Output:
      if (message.fds.size() == 2) {
        slots_[index].output.add(config_.name, config_.decorate_workers_output, message.pid,
                                 {std::move(message.fds[0]), std::move(message.fds[1])});
      }
      break;
    case SlotMessage::NeedLog:
      answer_log(index);
      break;
    case SlotMessage::LostPriority:
      restore_priority();
      break;
    default:
      break;
  }
}

void Pool::answer_log(std::uint32_t index) {
  if (access_log_) {
    Message answer;
    answer.kind = static_cast<std::uint32_t>(SlotMessage::Log);
    [[maybe_unused]] Status sent =
        send_message(slots_[index].control.get(), answer, {access_log_.get()}, false);
  }
}

void Pool::answer_link(std::uint32_t index, SnapshotId snapshot) {
  WorkerSlot& slot = slots_[index];
  bool there =
      std::any_of(slot.holders.begin(), slot.holders.end(),
                  [snapshot](const Holder& holder) { return holder.snapshot == snapshot; }) ||
      std::find(slot.starting.begin(), slot.starting.end(), snapshot) != slot.starting.end();
  if (!there && !stopping_ && board_->is_current(snapshot)) {
    spawn_holder(index, snapshot);
    there = std::find(slot.starting.begin(), slot.starting.end(), snapshot) != slot.starting.end();
  }
  Message answer;
  answer.snapshot = snapshot;
  Inbox* box = there ? inbox(index, snapshot) : nullptr;
  answer.kind =
      static_cast<std::uint32_t>(box != nullptr ? SlotMessage::Link : SlotMessage::NoLink);
  std::vector<int> fds;
  if (box != nullptr) {
    fds.push_back(box->send.get());
  }
  [[maybe_unused]] Status sent = send_message(slot.control.get(), answer, fds, false);
}

void Pool::on_holder_exit(std::uint32_t index, const Holder& holder, int status) {
  WorkerSlot& slot = slots_[index];
  Slot& shared = board_->slot(index);
  const Baton baton = shared.baton.load();
  const bool served = baton.is_held_by(holder.snapshot);
  bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  bool retired = !board_->is_current(holder.snapshot);
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS)) {
    board_->crashes.fetch_add(1);
  }
  const pid_t child = shared.exchange.child_pid.load();
  const bool ran = WIFSIGNALED(status) && served && shared.stage.load() == Stage::Running;
  const bool in_request = ran && child == holder.pid;
  if (ran && child > 0 && child != holder.pid) {
    ::kill(-child, SIGKILL);  // what the request had started: its process goes with its server
  }
  slot.output.drain();
  log_exit(holder, status, in_request ? ", " + describe_script(shared) : "",
           stopping_ || (clean && retired) ? ExitReason::Expected
           : clean && slot.idle_kill       ? ExitReason::ProcessManagement
                                           : ExitReason::Unbidden);
  if (!slot.live) {
    return;
  }
  const bool told_to_end = stopping_ || shared.stop.load() != kGoOn;
  if (baton.at == kNobody || (told_to_end && served)) {
    end_slot(index);
    return;
  }
  fill_gap(index, holder);
  if (stopping_ && slot.holders.empty()) {
    end_slot(index);
  }
}

// A holder died that was not told to. Somebody has to take its place, and the requests on their way
// to it.
void Pool::fill_gap(std::uint32_t index, const Holder& dead) {
  WorkerSlot& slot = slots_[index];
  Slot& shared = board_->slot(index);
  auto from = templates_.find(dead.snapshot);
  bool replaceable = !stopping_ && board_->is_current(dead.snapshot) && from != templates_.end() &&
                     from->second.ready;
  if (replaceable && spawn_holder(index, dead.snapshot)) {
    // What was sent to the dead one waits for the new one.
    shared.figures.add_replacement();
    slot.replacing = true;
  } else if (dead.snapshot != kBaseSnapshot) {
    reroute_to_base(index, dead.snapshot);
  } else if (stopping_) {
    slot.inboxes.erase(kBaseSnapshot);  // who has something for it must know that nobody is there
  }  // else restore_base_holders() brings one, and what was sent waits
  recover_baton(index, dead.snapshot);
}

// If `sender` died with the baton on its way, its message may never have been sent. Only then: of
// a sender that lives, the message is still to come, and with a request in it.
void Pool::recover_baton(std::uint32_t index, SnapshotId sender) {
  WorkerSlot& slot = slots_[index];
  Slot& shared = board_->slot(index);
  const Baton baton = shared.baton.load();
  if (baton.transfer == 0 || shared.baton_from.load() != sender) {
    return;
  }
  auto box = slot.inboxes.find(baton.at);
  if (box == slot.inboxes.end()) {  // and it was on its way to somebody who is gone, too
    give_base_baton(index, {});
    return;
  }
  Message message;
  message.kind = static_cast<std::uint32_t>(SlotMessage::Recover);
  message.number = baton.transfer;
  [[maybe_unused]] Status sent = send_message(box->second.send.get(), message, {}, false);
}

void Pool::give_base_baton(std::uint32_t index, const std::vector<int>& connection) {
  Inbox* base = inbox(index, kBaseSnapshot);
  if (base == nullptr) {
    return;
  }
  Message message;
  message.kind = static_cast<std::uint32_t>(SlotMessage::Baton);
  board_->slot(index).send_baton(kNobody, kBaseSnapshot);
  [[maybe_unused]] Status sent = send_message(base->send.get(), message, connection, false);
}

// What was sent to a holder that will never be again goes to the base, which can serve everything.
void Pool::reroute_to_base(std::uint32_t index, SnapshotId from) {
  WorkerSlot& slot = slots_[index];
  auto box = slot.inboxes.extract(from);
  if (!box.empty()) {
    // Who has not sent yet will not be able to, and keeps the request and the baton.
    ::shutdown(box.mapped().receive.get(), SHUT_RD);
  }
  const Baton baton = board_->slot(index).baton.load();
  bool needed = baton.is_held_by(from);
  std::vector<UniqueFd> request;
  Message message;
  while (!box.empty() &&
         receive_message(box.mapped().receive.get(), message, false) == Received::Message) {
    if (message.kind == static_cast<std::uint32_t>(SlotMessage::Recover)) {
      needed = needed || baton == Baton{from, message.number};
    } else if (message.kind == static_cast<std::uint32_t>(SlotMessage::Baton)) {
      needed = true;
      request = std::move(message.fds);
    }
  }
  if (needed) {
    std::vector<int> connection;
    std::transform(request.begin(), request.end(), std::back_inserter(connection),
                   [](const UniqueFd& fd) { return fd.get(); });
    give_base_baton(index, connection);
  }
}

// The worker is over: nobody serves the slot, the holders without the baton go too.
void Pool::end_slot(std::uint32_t index) {
  WorkerSlot& slot = slots_[index];
  board_->slot(index).baton = Baton{kNobody};
  for (const Holder& holder : slot.holders) {
    ::kill(holder.pid, SIGTERM);
  }
  if (slot.holders.empty() && slot.starting.empty()) {
    Slot& shared = board_->slot(index);
    shared.in_use = 0;
    shared.stage = Stage::Ended;
    set_active(*board_, shared, false);
    slot.output.drain();
    const bool replace = slot.live && !slot.idle_kill;
    limit_.running -= slot.live ? 1 : 0;
    slot = WorkerSlot{};
    if (!stopping_ && started_workers_) {
      if (replace) {
        replace_worker(index);
      }
      manage();
    }
  }
}

// A worker that ended by itself has a successor at once, whatever the process manager, and the log
// has it, as php-fpm's.
void Pool::replace_worker(std::uint32_t index) {
  const auto base = templates_.find(kBaseSnapshot);
  if (base != templates_.end() && base->second.ready && can_start()) {
    start_worker(index);
    slots_[index].replacing = true;
  }
}

void Pool::log_exit(const Holder& holder, int status, const std::string& during,
                    ExitReason why) const {
  const std::int64_t lived = monotonic_ns() - holder.started_ns;
  if (why == ExitReason::ProcessManagement) {
    log::debug(config_.name,
               describe_exit(holder.pid, "has been killed by the process management", lived));
    return;
  }
  const bool good = WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGQUIT;
  const log::Level level = why == ExitReason::Expected ? log::Level::Debug
                           : good                      ? log::Level::Notice
                                                       : log::Level::Warning;
  log::write(level, config_.name,
             describe_exit(holder.pid, "exited " + describe_status(status), lived) + during);
}

}  // namespace lwc
