// SPDX-License-Identifier: Apache-2.0
#include "kernel_engine.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "child_processes.hpp"
#include "kernel_watched_calls.hpp"
#include "lwc/template.hpp"

namespace lwc {
namespace {

constexpr std::uint32_t kNeeded = LWC_FEATURE_ROLLBACK | LWC_FEATURE_TRAP_FAULT |
                                  LWC_FEATURE_TRAP_EXIT | LWC_FEATURE_DEADLINE |
                                  LWC_FEATURE_MEMORY | LWC_FEATURE_SPECS | LWC_FEATURE_SYSTRAP;

// What a child wants that switches to its server: the first argument.
constexpr std::uint64_t kDone = 0;
constexpr std::uint64_t kCall = 1;
constexpr std::uint64_t kGoOn = 2;

// What a child has to do before its request: the first argument of the switch to it.
constexpr std::uint64_t kServe = 0;
constexpr std::uint64_t kServeWithFilesOfItsOwn = 1;

Outcome outcome_of(const lwc_event& event) {
  switch (event.type) {
    case LWC_EVENT_FAULT:
      return {Outcome::End::Fault, event.signo};
    case LWC_EVENT_SYSCALL:
      return {Outcome::End::Fault, SIGKILL};
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
  if (event.type == LWC_EVENT_SYSCALL) {
    report.signal = SIGKILL;
    report.sender = ::getpid();
    report.frame_count = 0;
    return;
  }
  if (event.type != LWC_EVENT_FAULT || report.signal != 0) {
    return;
  }
  report.signal = event.signo;
  report.code = event.code;
  report.sender = 0;
  report.address = event.addr;
  report.ip = event.regs.ip;
  report.frames[0] = event.regs.ip;
  report.frame_count = 1;
}

// What a child is told that waits in a system call.
void answer_call(const lwc_event& event, lwc_switch_args& args) {
  args.flags = 0;
  args.result = 0;
  if (event.type != LWC_EVENT_SYSCALL) {
    return;
  }
  args.result = refusal(event);
  args.flags = args.result == 0 ? LWC_SWITCH_PERFORM : LWC_SWITCH_RESULT;
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
  if (::access("/proc/self/fd", R_OK | X_OK) != 0) {
    return {"kernel", false, "/proc/self/fd cannot be read: what is open is not known"};
  }
  return {"kernel", true, "each request in a light-weight context, which the kernel rolls back"};
}

// Descriptions are not part of a context. To open them anew for each request would take longer than
// to look at them after it, as long as nobody else has them.
void KernelEngine::begin_holder(Server& server) {
  files_ = open_files();
  for (int fd : server.server_descriptors()) {
    std::erase_if(files_, [fd](const FileDescription& file) { return file.fd == fd; });
  }
  std::erase_if(files_, [](const FileDescription& file) { return !reopen(file); });
}

// What follows make_child() runs once in the server, and in the child once for every request, each
// time with everything as it was here.
Job KernelEngine::serve(Server& server, SnapshotId own) {
  // In this order: the child has neither, and the descriptor by which it knows its creator takes
  // the lowest free number there.
  nothing_.reset(::eventfd(0, EFD_CLOEXEC));
  handover_.reset(::fcntl(nothing_.get(), F_DUPFD_CLOEXEC, nothing_.get() + 1));
  if (!handover_) {
    give_up(server, errno_error("no descriptor to hand connections over").message);
  }
  Result<std::vector<MemoryRange>> withdrawn = server.withdraw_memory();
  if (!withdrawn) {
    give_up(server, withdrawn.error().message);
  }
  pid_ = ::getpid();
  process_.capture();
  lwc_event event;
  CallResult<Context> child = make_child(server, *withdrawn, event);
  if (!child) {
    give_up(server, "no context: " + text(child.error()));
  }
  if (!*child) {
    server_context_ = event.caller;
    return begin(server, own, event.args[0] == kServeWithFilesOfItsOwn);
  }
  child_ = std::move(*child);
  run_server(server, own);
}

CallResult<Context> KernelEngine::make_child(Server& server,
                                             const std::vector<MemoryRange>& withdrawn,
                                             lwc_event& event) const {
  Spec spec;
  for (const MemoryRange& range : withdrawn) {
    spec.memory(LWC_HOW_UNMAP, range.start, static_cast<char*>(range.start) + range.size);
  }
  // The lent ones as well: who has a log open can cut it off.
  for (int fd : server.server_descriptors()) {
    spec.files(LWC_HOW_UNMAP, static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  }
  for (int fd : {nothing_.get(), process_.descriptor()}) {
    if (fd >= 0) {
      spec.files(LWC_HOW_UNMAP, static_cast<unsigned>(fd), static_cast<unsigned>(fd));
    }
  }
  // All that a child may take of its server's: what lies at this number, the connection of its
  // request. No process that a request leaves behind can, for it has no context to take it from.
  const auto handover = static_cast<unsigned>(handover_.get());
  spec.files(LWC_HOW_UNMAP, handover, handover, LWC_SPEC_MAY_OVERLAY);
  // Signals that nobody in the child caused: PHP's max_execution_time is one. What the server wants
  // to know of others lies in memory that all share.
  return create({.flags = LWC_CREATE_ROLLBACK | LWC_CREATE_TRAP_FAULT | LWC_CREATE_TRAP_EXIT |
                          LWC_CREATE_SIGNALS | LWC_CREATE_TRAP_SYSCALL,
                 .spec = spec.lines(),
                 .memory_limit = server.memory_limit(),
                 .trapped = watched_calls()},
                event);
}

Job KernelEngine::begin(Server& server, SnapshotId own, bool with_files_of_its_own) {
  server.entered_child();
  if (with_files_of_its_own) {
    reopen(files_);
  }
  const auto handover = static_cast<unsigned>(handover_.get());
  const lwc_spec connection = lwc_spec_files(LWC_HOW_COPY, handover, handover, 0);
  if (lwc_overlay(server_context_, &connection, 1) != 0) {
    ::_exit(EXIT_FAILURE);  // which is a way back to the server
  }
  Job job;
  job.snapshot = own;
  job.connection = handover_.get();
  return job;
}

void KernelEngine::run_server(Server& server, SnapshotId own) {
  Job job;
  while (server.next(job)) {
    job.kind = Job::Kind::Serve;
    job.snapshot = own;
    Outcome outcome = run(server, job);
    server.finished(job, outcome);
    if (!tainted_.empty()) {
      give_up(server, tainted_);
    }
  }
  ::_exit(0);
}

// The child is rolled back at once, not before its next request: it has a descriptor of the
// connection, and perhaps locks. And it is rolled back, not made anew: that is cheaper at every
// size that was measured (docs/kernel-figures.md), and a new one would be a copy of the server as
// it is by now, with what it has seen of other requests.
Outcome KernelEngine::run(Server& server, const Job& job) {
  Exchange& exchange = server.exchange();
  exchange.child_pid.store(pid_, std::memory_order_release);
  if (::dup3(job.connection, handover_.get(), O_CLOEXEC) < 0) {
    return {Outcome::End::Lost, 0};
  }
  lwc_event event;
  enter(server, event);
  ::dup3(nothing_.get(), handover_.get(), O_CLOEXEC);
  complete_report(exchange.fault, event);
  Outcome outcome = outcome_of(event);
  outcome.started_processes = process_.has_forked();
  has_forked_ = has_forked_ || outcome.started_processes;
  if (outcome.started_processes) {
    kill_child_processes();
  }
  undo(exchange.cost);
  return outcome;
}

void KernelEngine::undo(Cost& cost) {
  const auto before = std::chrono::steady_clock::now();
  if (CallResult<> undone = child_.rollback(); !undone) {
    tainted_ = "the context cannot be rolled back: " + text(undone.error());
    return;
  }
  const std::string_view kept = process_.restore();
  if (!kept.empty()) {
    tainted_ = std::string(kept) + ": changed by a request, and cannot be put back";
  }
  std::for_each(files_.begin(), files_.end(), restore);
  const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - before;
  cost.undo_ns = static_cast<std::uint64_t>(spent.count());
  count(cost);
}

// Until the request is over.
void KernelEngine::enter(Server& server, lwc_event& event) {
  lwc_switch_args args{};
  args.args[0] = has_forked_ ? kServeWithFilesOfItsOwn : kServe;
  do {
    args.wall_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(server.deadline()).count());
    if (CallResult<> entered = child_.enter(args, event); !entered) {
      give_up(server, "the context cannot be entered: " + text(entered.error()));
    }
    answer_call(event, args);
  } while (goes_on(server, event));
}

// A call that changes what the context does not hold is noted, and made; but one that would end or
// stop this process only ends the request.
bool KernelEngine::goes_on(Server& server, lwc_event& event) {
  switch (event.type) {
    case LWC_EVENT_SYSCALL:
      if (refusal(event) != 0) {
        return true;
      }
      switch (end_by_signal(event.regs)) {
        case End::None:
          break;
        case End::Killed:
          return false;
        case End::Stopped:
          if (server.is_limited()) {
            // No deadline reaches a process that is stopped, and nothing else ends this request.
            std::this_thread::sleep_for(server.deadline());
            event.type = LWC_EVENT_TIMEOUT;
            return false;
          }
          break;
      }
      process_.note(event.regs);
      return true;
    case LWC_EVENT_SWITCH:
      if (event.args[0] == kCall) {
        server.called();
      }
      return event.args[0] != kDone;
    case LWC_EVENT_TIMEOUT:
      return !server.is_limited();
    default:
      return false;
  }
}

void KernelEngine::count(Cost& cost) {
  const CallResult<lwc_info> info = child_.query();
  if (!info) {
    return;
  }
  cost.pages_restored = info->restored - counted_.restored;
  cost.pages_remapped = info->dropped - counted_.dropped;
  cost.pages_written = cost.pages_restored + cost.pages_remapped;
  cost.events = info->faults - counted_.faults;
  // The entries, the roll-back, and this query.
  cost.calls = info->switches - counted_.switches + 2;
  counted_ = *info;
}

void KernelEngine::go_to_server(std::uint64_t wish) const {
  lwc_switch_args args{};
  args.args[0] = wish;
  lwc_event event;
  [[maybe_unused]] long failed = lwc_switch(server_context_, &args, &event);
}

void KernelEngine::call_server() {
  go_to_server(kCall);
}

// Each stay has a limit of its own, of what is left of the request's time, and the next one has
// none. The end of this one's would interrupt a sleep().
void KernelEngine::lift_deadline() {
  go_to_server(kGoOn);
}

void KernelEngine::end_child() {
  if (::getpid() != pid_) {
    ::_exit(0);  // a process that the request forked and that came to its end
  }
  go_to_server(kDone);
  ::_exit(EXIT_FAILURE);
}

}  // namespace lwc
