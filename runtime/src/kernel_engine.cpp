// SPDX-License-Identifier: Apache-2.0
#include "kernel_engine.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "child_processes.hpp"
#include "lwc/message.hpp"
#include "lwc/template.hpp"

namespace lwc {
namespace {

constexpr std::uint32_t kNeeded =
    LWC_FEATURE_ROLLBACK | LWC_FEATURE_TRAP_FAULT | LWC_FEATURE_TRAP_EXIT | LWC_FEATURE_DEADLINE;

Outcome outcome_of(const lwc_event& event) {
  switch (event.type) {
    case LWC_EVENT_FAULT:
      return {Outcome::End::Fault, event.signo};
    case LWC_EVENT_EXIT:
      return {Outcome::End::Exited, static_cast<int>(event.args[0])};
    case LWC_EVENT_TIMEOUT:
      return {Outcome::End::TimedOut, 0};
    case LWC_EVENT_MEMORY:
      return {Outcome::End::OutOfMemory, 0};
    default:
      return {};
  }
}

// The child's own handler knows the frames. When it could not run, this is what is left.
void complete_report(FaultReport& report, const lwc_event& event) {
  if (event.type != LWC_EVENT_FAULT || report.signal != 0) {
    return;
  }
  report.signal = event.signo;
  report.code = event.code;
  report.address = event.addr;
  report.ip = event.regs.ip;
  report.frame_count = 0;
}

[[noreturn]] void give_up(Server& server, const std::string& why) {
  server.retire("engine kernel: " + why);
  ::_exit(0);
}

std::string text(std::errc error) {
  return std::make_error_code(error).message();
}

}  // namespace

EngineProbe KernelEngine::probe() {
  if (!supported()) {
    return {"kernel", false, "this kernel has no light-weight contexts (CONFIG_LWC)"};
  }
  if (!supports(kNeeded)) {
    return {"kernel", false,
            "this kernel's light-weight contexts cannot be rolled back and trapped"};
  }
  return {"kernel", true, "each request in a light-weight context, which the kernel rolls back"};
}

// What follows make_child() runs once in the server, and in the child once for every request, each
// time with everything as it was here.
Job KernelEngine::serve(Server& server, SnapshotId own) {
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    give_up(server, pair.error().message);
  }
  to_child_ = std::move(pair->master);
  from_server_ = std::move(pair->other);
  files_ = open_files();
  lwc_event event;
  CallResult<Context> child = make_child(server, event);
  if (!child) {
    give_up(server, "no context: " + text(child.error()));
  }
  if (!*child) {
    server_context_ = event.caller;
    return begin(server, own);
  }
  child_ = std::move(*child);
  run_server(server, own);
}

CallResult<Context> KernelEngine::make_child(Server& server, lwc_event& event) const {
  Spec spec;
  for (int fd : withheld_descriptors(server)) {
    spec.files(LWC_HOW_UNMAP, static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  }
  const auto own = static_cast<unsigned>(to_child_.get());
  spec.files(LWC_HOW_UNMAP, own, own);
  // Signals that nobody in the child caused: PHP's max_execution_time is one. What the server wants
  // to know of others lies in memory that all share.
  return create({.flags = LWC_CREATE_ROLLBACK | LWC_CREATE_TRAP_FAULT | LWC_CREATE_TRAP_EXIT |
                          LWC_CREATE_SIGNALS,
                 .spec = spec.lines()},
                event);
}

Job KernelEngine::begin(Server& server, SnapshotId own) {
  server.entered_child();
  reopen(files_);
  Message message;
  while (receive_message(from_server_.get(), message, true) == Received::Nothing) {
  }
  if (message.fds.size() != 1) {
    ::_exit(EXIT_FAILURE);  // which is a way back to the server
  }
  Job job;
  job.snapshot = own;
  job.connection = message.fds[0].release();
  return job;
}

void KernelEngine::run_server(Server& server, SnapshotId own) {
  Job job;
  while (server.next(job)) {
    job.kind = Job::Kind::Serve;
    job.snapshot = own;
    Outcome outcome = run(server, job);
    server.finished(job, outcome);
  }
  ::_exit(0);
}

// The child is rolled back at once, not before its next request: it has a descriptor of the
// connection, and perhaps locks.
Outcome KernelEngine::run(Server& server, const Job& job) {
  Exchange& exchange = server.exchange();
  exchange.child_pid.store(::getpid(), std::memory_order_release);
  if (!send_message(to_child_.get(), Message{}, {job.connection})) {
    return {Outcome::End::Lost, 0};
  }
  lwc_switch_args args{};
  args.wall_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(server.deadline()).count());
  lwc_event event;
  if (CallResult<> entered = child_.enter(args, event); !entered) {
    give_up(server, "the context cannot be entered: " + text(entered.error()));
  }
  kill_child_processes();
  take_back_job();
  complete_report(exchange.fault, event);
  if (CallResult<> undone = child_.rollback(); !undone) {
    give_up(server, "the context cannot be rolled back: " + text(undone.error()));
  }
  count(exchange.cost);
  return outcome_of(event);
}

void KernelEngine::count(Cost& cost) {
  const CallResult<lwc_info> info = child_.query();
  if (!info) {
    return;
  }
  cost.pages_restored = info->restored - counted_.restored;
  cost.pages_written = cost.pages_restored + info->dropped - counted_.dropped;
  cost.events = info->faults - counted_.faults;
  counted_ = *info;
}

// A child that did not come so far as to take its connection must not leave it to the next one.
void KernelEngine::take_back_job() const {
  Message message;
  while (receive_message(from_server_.get(), message, false) == Received::Message) {
  }
}

void KernelEngine::end_child() {
  const lwc_switch_args done{};
  lwc_event event;
  [[maybe_unused]] long failed = lwc_switch(server_context_, &done, &event);
  ::_exit(EXIT_FAILURE);
}

}  // namespace lwc
