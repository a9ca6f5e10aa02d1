// SPDX-License-Identifier: Apache-2.0
#include "snapshot.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "messages.hpp"
#include "opcache.hpp"
#include "php.hpp"
#include "read_files.hpp"
#include "reentry.hpp"
#include "renewal.hpp"
#include "request.hpp"
#include "resume_callbacks.hpp"
#include "shared_files.hpp"
#include "small_blocks.hpp"
#include "warmup.hpp"

extern "C" {
#include <zend_fibers.h>
}

namespace lwc::php {

namespace {

using std::chrono::milliseconds;

enum class Phase {
  Base,       ///< a request that no snapshot was made for
  WarmingUp,  ///< on the way to lwc_snapshot()
  Template,   ///< in lwc_snapshot(), children are made of this
  Child,      ///< a request that resumed there
};

struct State {
  Phase phase = Phase::Base;
  SnapshotId id = kBaseSnapshot;
  std::string script;
  double created = 0;
  bool without_opcache = false;
  bool sealed_fresh = true;  ///< no file changed during the warm-up
  std::chrono::steady_clock::time_point next_file_check{};
};

State g_state;
SharedFiles g_shared_files;
Job g_job;  ///< the child's, not on the stack: the engine may leave by longjmp

/// Without opcache, or with opcache.revalidate_freq = 0, php-fpm looks at a file whenever it is
/// included. This is how old code in a snapshot can be at most.
constexpr milliseconds kShortestCheck{200};
/// A restart of opcache waits for the snapshot.
constexpr milliseconds kRestartCheck{1000};

milliseconds file_check_interval() {
  const milliseconds wanted =
      opcache_works() ? std::chrono::seconds(opcache_revalidate_freq()) : milliseconds(1000);
  return std::max(wanted, kShortestCheck);
}

bool checks_files() {
  return !opcache_works() || opcache_validates();
}

milliseconds check_interval() {
  if (!checks_files()) {
    return opcache_works() ? kRestartCheck : milliseconds(0);
  }
  return opcache_works() ? std::min(file_check_interval(), kRestartCheck) : file_check_interval();
}

bool files_are_fresh() {
  const auto now = std::chrono::steady_clock::now();
  if (!checks_files() || now < g_state.next_file_check) {
    return true;
  }
  g_state.next_file_check = now + file_check_interval();
  if (g_state.sealed_fresh && warmup_files().is_fresh()) {
    return true;
  }
  log(LogLevel::Notice, "%s: the snapshot is stale, %s has changed", g_state.script.c_str(),
      warmup_files().changed().c_str());
  return false;
}

/// Asked in the idle template. A snapshot of code in shared memory keeps a restart of that memory
/// off, so it makes room. One that was made without opcache for that reason gives way when the
/// restart is over.
bool snapshot_is_fresh() {
  const bool restarting = opcache_restart_pending();
  if (restarting != g_state.without_opcache) {
    log(LogLevel::Notice, "%s: the snapshot is stale, opcache %s", g_state.script.c_str(),
        restarting ? "wants to restart" : "has restarted");
    return false;
  }
  return files_are_fresh();
}

/// Where lwc_snapshot() was called: "/srv/index.php:12".
std::string call_site() {
  const char* file = zend_get_executed_filename();
  return std::string(file) + ":" + std::to_string(zend_get_executed_lineno());
}

/// Why the script cannot be resumed from here, or nothing.
const char* unsuitable_place() {
  if ((EG(flags) & EG_FLAGS_IN_SHUTDOWN) != 0) {
    return "the script is over: it was called in a shutdown function, destructor or output handler";
  }
  if (EG(active_fiber) != nullptr) {
    return "it was called in a fiber";
  }
  if (OG(running) != nullptr) {
    return "it was called in an output handler";
  }
  for (const zend_execute_data* frame = EG(current_execute_data); frame != nullptr;
       frame = frame->prev_execute_data) {
    if ((ZEND_CALL_INFO(frame) & ZEND_CALL_GENERATOR) != 0) {
      return "it was called in a generator";
    }
    if (frame->func != nullptr && frame->func->common.scope != nullptr &&
        frame->func == frame->func->common.scope->destructor) {
      return "it was called in a destructor";
    }
  }
  return nullptr;
}

std::string refusal_of_descriptor(const Descriptor& descriptor) {
  return "descriptor " + std::to_string(descriptor.fd) + " is " + descriptor.description +
         ". All requests would share it. Close it before lwc_snapshot() and open it after, or, if "
         "sharing it is intended, allow it: lwc.snapshot_allow_fds[] = " +
         descriptor.name;
}

bool is_included_script(const Descriptor& descriptor) {
  return descriptor.read_only_file &&
         zend_hash_str_exists(&EG(included_files), descriptor.name.c_str(), descriptor.name.size());
}

/// What forbids a snapshot now, in the words of the log; empty: nothing.
std::string refusal() {
  const char* place = unsuitable_place();
  if (place == nullptr && !pool().engine->discards_children()) {
    place = reason_against_reentry();
  }
  if (place != nullptr) {
    return std::string(place) + ". Call it in the front controller";
  }
  g_shared_files.clear();
  for (const Descriptor& descriptor : opened_since(open_before_warmup())) {
    if (is_included_script(descriptor)) {
      continue;  // without opcache the engine keeps the main script open to its end
    }
    if (!is_allowed(descriptor, pool().options->allow_fds)) {
      return refusal_of_descriptor(descriptor);
    }
    g_shared_files.add(descriptor.fd);
  }
  if (const int threads = thread_count(); threads > 1) {
    return "the process has " + std::to_string(threads) +
           " threads, and only one would be in a child. End them before lwc_snapshot()";
  }
  if (const auto children = child_processes(); !children.empty()) {
    return "the child process " + children.front() +
           " was started and not waited for. Wait for it before lwc_snapshot()";
  }
  if (const auto locks = held_locks(open_before_warmup()); !locks.empty()) {
    return "the script holds a lock, " + locks.front() + ". Release it before lwc_snapshot()";
  }
  return {};
}

/// Holds the template. Returns in every child with its job in g_job.
void hold_template() {
  HoldOptions options;
  options.id = g_state.id;
  options.description = std::to_string(warmup_files().size()) + " files";
  options.check_every = check_interval();
  options.is_fresh = snapshot_is_fresh;
  options.in_holder = [] {
    if (!g_state.without_opcache) {
      hold_opcache();
    }
    g_shared_files.reopen();
  };
  lay_out_small_blocks();
  Result<Job> job = pool().engine->hold(*pool().server, options);
  if (!job) {
    pool().engine->abandon("the snapshot of " + g_state.script +
                           " could not be taken: " + job.error().message);
  }
  g_job = std::move(*job);
}

/// Everything up to hold_template() that owns memory, so that nothing does when a child resumes.
void leave_for_template() {
  end_warmup_session(g_state.script.c_str());
  if (const std::string why = refusal(); !why.empty()) {
    pool().engine->abandon("lwc_snapshot() at " + call_site() + " is refused: " + why);
  }
  leave_warmup();
  add_scripts(warmup_files());
  g_state.sealed_fresh = warmup_files().seal();
  put_away_warmup(g_state.script.c_str());
  g_state.created =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  // What the warm-up has read it has just looked at.
  g_state.next_file_check = std::chrono::steady_clock::now() +
                            (g_state.sealed_fresh ? file_check_interval() : milliseconds(0));
  g_state.phase = Phase::Template;
  hold_template();
}

void resume() {
  g_state.phase = Phase::Child;
  if (!open_request(g_job)) {
    pool().engine->end_child();
    ::_exit(0);
  }
  g_shared_files.rewind();
  renew_for_request();
  run_resume_callbacks();
}

/// Engine `none`: what follows lwc_snapshot() runs here, inside it, for request after request.
[[noreturn]] void serve_without_discarding() {
  note_reentry_point();
  for (bool go_on = true; go_on;) {
    resume();
    go_on = run_rest_of_script();
    end_reentered_request();
    pool().engine->end_child();
    if (go_on) {
      hold_template();
    }
  }
  ::_exit(0);
}

}  // namespace

void begin_warmup(SnapshotId id, const std::string& script) {
  g_state = State{};
  g_state.phase = Phase::WarmingUp;
  g_state.id = id;
  g_state.script = script;
}

void build_without_opcache() {
  g_state.without_opcache = true;
}

bool is_warming_up() {
  return g_state.phase == Phase::WarmingUp;
}

bool in_snapshot_child() {
  return g_state.phase == Phase::Child;
}

bool take_snapshot() {
  switch (g_state.phase) {
    case Phase::Base:
      if (pool().options->snapshots && unsuitable_place() == nullptr) {
        pool().host->snapshot_wanted();
      }
      return false;
    case Phase::WarmingUp:
      leave_for_template();
      if (!pool().engine->discards_children()) {
        serve_without_discarding();
      }
      resume();
      return true;
    case Phase::Template:
    case Phase::Child:
      break;
  }
  return true;
}

SnapshotInfo snapshot_info() {
  return {g_state.id, g_state.script.c_str(), g_state.created, warmup_files().size()};
}

}  // namespace lwc::php
