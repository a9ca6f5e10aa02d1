// SPDX-License-Identifier: Apache-2.0
#include "rollback_engine.hpp"

#include <fcntl.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include "lwc/fault_handler.hpp"
#include "rollback/deep_bindings.hpp"
#include "rollback/rollback.hpp"

namespace lwc {
namespace {

using rollback::Ending;
using rollback::g_state;
using rollback::Mechanism;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

Outcome outcome_of(Ending ending, int status) {
  switch (ending) {
    case Ending::Exited:
      return {Outcome::End::Exited, status};
    case Ending::Fault:
      return {Outcome::End::Fault, status};
    case Ending::TimedOut:
      return {Outcome::End::TimedOut, status};
    case Ending::Done:
      break;
  }
  return {};
}

void report_fault(int signal, void* info, void* context, void* exchange) {
  record_fault(static_cast<Exchange*>(exchange)->fault, signal, *static_cast<siginfo_t*>(info),
               context);
}

[[noreturn]] void give_up(Server& server, const std::string& why) {
  server.retire("engine rollback: " + why);
  ::_exit(0);
}

}  // namespace

EngineProbe RollbackEngine::probe() {
  if constexpr (kSanitized) {
    return {"rollback", false,
            "this program was built with AddressSanitizer, whose memory cannot be undone"};
  }
  Mechanism mechanism = rollback::best_mechanism();
  if (mechanism != Mechanism::None) {
    return {"rollback", true,
            "a worker undoes each request in place; written pages are found with " +
                rollback::describe_best(mechanism, rollback::why_not(Mechanism::WpAsync))};
  }
  if (!rollback::system_calls_can_be_watched()) {
    return {"rollback", false,
            "this kernel cannot hand a process its own system calls (Syscall User Dispatch, Linux "
            "5.11 and later)"};
  }
  return {"rollback", false,
          "which pages a request has written cannot be found out: " +
              rollback::why_not(Mechanism::WpAsync) + "; " +
              rollback::why_not(Mechanism::SoftDirty)};
}

rollback::PristineStore& RollbackEngine::common_store() {
  static rollback::PristineStore store;
  return store;
}

Status RollbackEngine::share_memory() {
  return common_store().build_heaps();
}

Status RollbackEngine::prepare_template() {
  rollback::bind_libraries_to_replacements();
  return store_.build();
}

// Everything after LWC_TAKE_SNAPSHOT() runs once for every request, each time with this frame as it
// was: nothing here may depend on a local variable that changes.
Job RollbackEngine::serve(Server& server, SnapshotId own) {
  rollback::Options options;
  options.mechanism = rollback::best_mechanism();
  options.store = &store_;
  if (Status prepared = rollback::prepare(options); !prepared) {
    give_up(server, prepared.error().message);
  }
  g_state->faulted = report_fault;
  g_state->faulted_argument = &server.exchange();
  g_state->is_limited = [](void* of) { return static_cast<Server*>(of)->is_limited(); };
  g_state->is_limited_argument = &server;
  long taken = LWC_TAKE_SNAPSHOT();
  if (taken < 0) {
    give_up(server, errno_error(std::string("no snapshot: ") + rollback::snapshot_error(),
                                static_cast<int>(-taken))
                        .message);
  }
  if (taken == 1) {
    child_gone(server, own);
  }
  return next_child(server, own);
}

Job RollbackEngine::next_child(Server& server, SnapshotId own) {
  Job job;
  if (!server.next(job)) {
    ::_exit(0);
  }
  job.kind = Job::Kind::Serve;
  job.snapshot = own;
  rollback::State& state = *g_state;
  state.connection = job.connection;
  state.journal.server_opened.clear();
  for (int fd : server.server_descriptors()) {
    if (fd >= 0 && fd < rollback::kMaxFds && !state.process.is_base_fd(fd)) {
      state.journal.server_opened.add(fd);
    }
  }
  server.exchange().child_pid.store(state.pid, std::memory_order_release);
  rollback::begin_child(server.deadline());
  // The child's own: closed when it is undone. Programs that it starts must not have it: the client
  // may keep the connection for requests of others.
  job.connection = ::fcntl(job.connection, F_DUPFD_CLOEXEC, 0);
  return job;
}

void RollbackEngine::child_gone(Server& server, SnapshotId own) {
  const rollback::State& state = *g_state;
  Job job;
  job.snapshot = own;
  job.connection = state.connection;
  Cost& cost = server.exchange().cost;
  cost.pages_written = state.report.pages_written;
  cost.pages_restored = state.report.pages_restored;
  cost.undo_ns = state.report.nanoseconds;
  cost.events = state.report.events;
  server.finished(job, outcome_of(state.ending, state.ending_status));
  if (state.tainted) {
    give_up(server, state.taint_reason);
  }
}

void RollbackEngine::lift_deadline() {
  if (g_state->deadline_set) {
    g_state->process.set_deadline(0);
  }
}

void RollbackEngine::end_child() {
  rollback::end_child(Ending::Done, 0);
}

}  // namespace lwc
