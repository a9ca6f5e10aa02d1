// SPDX-License-Identifier: Apache-2.0
// What a worker says of its requests: in the daemon's log and in the access log.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "exit_words.hpp"
#include "log/sinks.hpp"
#include "lwc/fault_handler.hpp"
#include "slot_protocol.hpp"
#include "worker/worker.hpp"

namespace lwc {

void Worker::report_end(const Outcome& outcome) {
  Slot& slot = *slot_;
  const std::string who = describe_request(slot);
  // As of a process, which a child is on some engines: tools look for php-fpm's words.
  const auto ended = [&slot](const std::string& how) {
    return describe_exit(slot.exchange.child_pid.load(), how, slot.request_duration_ns) + ", " +
           describe_script(slot);
  };
  switch (outcome.end) {
    case Outcome::End::Fault: {
      slot.figures.add_fault();
      if (outcome.status == SIGSEGV || outcome.status == SIGBUS) {
        board_->crashes.fetch_add(1);
      }
      const std::string fault = describe_fault(slot.exchange.fault);
      log_.send(
          php::LogLevel::Warning, options_.pool,
          ended("exited " + describe_signal(outcome.status)) + (fault.empty() ? "" : ": " + fault));
      break;
    }
    case Outcome::End::TimedOut:
      board_->timeouts.fetch_add(1);
      log_.send(php::LogLevel::Warning, options_.pool,
                who + " execution timed out (" +
                    std::to_string(static_cast<double>(slot.request_duration_ns) / 1e9) +
                    " sec), terminating");
      break;
    case Outcome::End::Exited:
      log_.send(php::LogLevel::Warning, options_.pool,
                ended("exited with code " + std::to_string(outcome.status)) +
                    ", before its request was over");
      break;
    case Outcome::End::OutOfMemory:
      log_.send(php::LogLevel::Warning, options_.pool,
                who + " went over its memory limit, terminating");
      break;
    case Outcome::End::Lost:
      log_.send(php::LogLevel::Error, options_.pool,
                "no child could be made for a request: fork failed");
      break;
    case Outcome::End::Done:
      break;
  }
}

// What the request cost its engine, for those who look closely.
void Worker::report_cost() {
  const Cost& cost = slot_->exchange.cost;
  log_.send(php::LogLevel::Debug, options_.pool,
            "child " + std::to_string(slot_->exchange.child_pid.load()) + ", script '" +
                text_of(slot_->script) + "', snapshot " + std::to_string(own_) + ": " +
                std::to_string(cost.pages_written) + " pages written, " +
                std::to_string(cost.pages_restored) + " restored, " +
                std::to_string(cost.pages_remapped) + " remapped, " + std::to_string(cost.events) +
                " events, " + std::to_string(cost.calls) + " calls, undone in " +
                std::to_string(cost.undo_ns / 1000) + " us");
}

bool Worker::write_access_line_in_child() {
  const bool can = child_log_.fd >= 0 && child_log_.generation == board_->log_generation.load();
  if (can) {
    write_access_line(child_log_.fd);
  }
  return can;
}

// In the server, for a child that could not. A request has one line, however often it asks.
void Worker::log_access() {
  if (slot_->access_size == 0 || state_->access_logged) {
    return;
  }
  state_->access_logged = true;
  if (state_->log_generation != board_->log_generation.load()) {
    ask_for_log();
  }
  write_access_line(access_log());
}

void Worker::write_access_line(int fd) {
  const std::size_t size =
      std::min<std::size_t>(slot_->access_size.exchange(0), slot_->access_line.size());
  log::write_fully(fd, {slot_->access_line.data(), size});
}

// After log rotation. Without an answer the line goes to the old file, and the next one asks again.
void Worker::ask_for_log() {
  const std::uint32_t generation = board_->log_generation.load();
  Message ask;
  ask.kind = static_cast<std::uint32_t>(SlotMessage::NeedLog);
  if (!send_message(control_.get(), ask, {}, false)) {
    return;
  }
  const std::int64_t until_ns = monotonic_ns() + kAnswerTimeoutMs * kMillisecond;
  Message answer;
  while (wait_for_master(until_ns)) {
    const Received received = receive_message(control_.get(), answer, false);
    if (received == Received::Closed) {
      return;
    }
    if (received == Received::Message &&
        answer.kind == static_cast<std::uint32_t>(SlotMessage::Log) && answer.fds.size() == 1) {
      if (state_->access_fd >= 0) {
        ::close(state_->access_fd);
      }
      state_->access_fd = answer.fds[0].release();
      state_->log_generation = generation;
      return;
    }
  }
}

}  // namespace lwc
