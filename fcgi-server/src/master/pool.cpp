// SPDX-License-Identifier: Apache-2.0
// Templates and snapshots of a pool; worker slots are in worker_slots.cpp, how many of them in
// process_management.cpp, what an exit means in pool_exits.cpp, the end in pool_end.cpp.
#include "master/pool.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "exit_words.hpp"
#include "fastcgi/request_head.hpp"
#include "log.hpp"
#include "log/logger.hpp"
#include "lwc/php/interpreter.hpp"
#include "master/listener.hpp"
#include "master/process_memory.hpp"
#include "slot_protocol.hpp"
#include "worker/pool_process.hpp"

namespace lwc {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kWarmupLimit = 120 * kSecond;
constexpr std::int64_t kRetryAfter = 10 * kSecond;  // a warm-up that failed

std::string script_of(const std::string& warmup) {
  return php::decode_warmup(warmup).script;
}

// What lwc.warmup[] says, as if a web server had asked. Which DOCUMENT_ROOT that server will name
// is not known yet; nearly always it is the folder of the front controller. It is not part of a
// snapshot's identity (request_head.cpp).
php::Warmup as_request(const config::Warmup& configured) {
  php::Warmup warmup;
  warmup.script = configured.script;
  warmup.uri = configured.uri;
  const std::size_t end = configured.script.rfind('/');
  if (end != std::string::npos) {
    warmup.params.emplace_back("DOCUMENT_ROOT", configured.script.substr(0, end > 0 ? end : 1));
  }
  return warmup;
}

}  // namespace

Pool::Pool(config::PoolConfig config, Listener listener, LogChannel& log, ProcessLimit& limit,
           std::string engine)
    : config_(std::move(config)),
      listener_(std::move(listener)),
      log_(log),
      limit_(limit),
      engine_(std::move(engine)) {}

Status Pool::make_board() {
  auto slots = static_cast<std::uint32_t>(std::max(config_.pm_max_children, 1));
  Result<PoolBoardPtr> board = lwc::make_board(slots);
  if (!board) {
    return board.error();
  }
  board_ = std::move(*board);
  board_->started = realtime_ns() / kSecond;
  slow_log_.emplace(config_, *board_);
  set_text(board_->pool, config_.name);
  board_->listen_queue_length = listen_queue(listen_fd()).limit;
  set_text(board_->pm, config::name_of(config_.pm));
  slots_.resize(slots);
  second_look_ = SecondLook(slots);
  return ok();
}

Status Pool::start(PoolBoard* shown, Inheritance inherited) {
  shown_ = shown;
  inherited_ = std::move(inherited);
  if (Status opened = open_access_log(); !opened) {
    return opened;
  }
  return start_base();
}

Status Pool::open_access_log() {
  if (!config_.access_log || config_.access_log->empty()) {
    return ok();
  }
  const log::OriginalStderr stderr_as_named(log::logger());
  UniqueFd file(::open(config_.access_log->c_str(),
                       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, S_IRUSR | S_IWUSR));
  if (!file) {
    return errno_error("failed to open access log (" + *config_.access_log + ")");
  }
  access_log_ = std::move(file);
  return ok();
}

// Workers see the new generation and ask for the new file; until then they write to the old one.
Result<bool> Pool::reopen_access_log() {
  if (!access_log_) {
    return false;
  }
  if (Status opened = open_access_log(); !opened) {
    return opened.error();
  }
  board_->log_generation.fetch_add(1);
  return true;
}

// `pause`: before it begins, so that what goes wrong again and again does not do so all the time.
Status Pool::start_base(std::chrono::milliseconds pause) {
  Result<ControlPair> pair = make_control_pair();
  if (!pair) {
    return pair.error();
  }
  priority_ = configured_priority();
  pid_t pid = ::fork();
  if (pid < 0) {
    return errno_error("[pool " + config_.name + "] cannot fork the base template");
  }
  if (pid == 0) {
    pair->master.reset();
    close_masters_fds();
    inherited_.forget_others(*this);
    ::poll(nullptr, 0, static_cast<int>(pause.count()));
    run_base_template({config_, engine_, listen_fd(), access_log_.get(), *board_,
                       shown_ != nullptr ? *shown_ : *board_, log_, priority_},
                      std::move(pair->other));
  }
  Template base;
  base.handle = TemplateHandle(std::move(pair->master));
  base.pid = pid;
  base.started_ns = monotonic_ns();
  templates_.insert_or_assign(kBaseSnapshot, std::move(base));
  return ok();
}

// In the base template, and so for all that is forked from it: other pools' sockets, and the ways
// to workers. A message to a process that has ended must not find somebody who still has its inbox
// open, nor a request another worker's connection.
void Pool::close_masters_fds() const {
  std::vector<int> own{listen_fd(), access_log_.get()};
  for (int fd : inherited_.fds()) {
    if (fd >= 0 && std::find(own.begin(), own.end(), fd) == own.end()) {
      ::close(fd);
    }
  }
}

void Pool::add_fds(std::vector<pollfd>& fds) const {
  for (const auto& [id, one] : templates_) {
    if (one.handle) {
      fds.push_back({one.handle.fd(), POLLIN, 0});
    }
  }
  for (const WorkerSlot& slot : slots_) {
    if (slot.live) {
      fds.push_back({slot.control.get(), POLLIN, 0});
      slot.output.add_fds(fds);
    }
  }
  if (config_.pm == config::ProcessManager::Ondemand && started_workers_ && !stopping_ &&
      count().idle == 0) {
    fds.push_back({listen_fd(), POLLIN, 0});
  }
}

void Pool::on_readable(int fd) {
  if (fd == listen_fd()) {
    manage_ondemand();
    return;
  }
  for (auto& [id, one] : templates_) {
    if (one.handle && one.handle.fd() == fd) {
      on_template(id);
      return;
    }
  }
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].live && slots_[i].control.get() == fd) {
      on_slot_message(i);
      return;
    }
    if (slots_[i].output.on_readable(fd)) {
      return;
    }
  }
}

void Pool::on_template(SnapshotId id) {
  for (;;) {
    auto found = templates_.find(id);
    std::optional<TemplateEvent> event = found == templates_.end() || !found->second.handle
                                             ? std::nullopt
                                             : found->second.handle.receive();
    if (!event) {
      match_early_exits();
      return;
    }
    switch (event->kind) {
      case TemplateEvent::Kind::Ready:
        on_ready(id, found->second, *event);
        break;
      case TemplateEvent::Kind::Failed:
        on_failed(id, event->text);
        break;
      case TemplateEvent::Kind::Stale:
        retire(id);
        break;
      case TemplateEvent::Kind::Spawned:
        on_spawned(*event);
        end_latecomer(*event);
        break;
      case TemplateEvent::Kind::Preparing:
        if (auto made = templates_.find(event->snapshot); made != templates_.end()) {
          made->second.pid = event->pid;
        }
        end_latecomer(*event);
        break;
      case TemplateEvent::Kind::Refused:
        log::error(config_.name, event->text);
        on_answered(*event);
        break;
      case TemplateEvent::Kind::Gone:
        found->second.handle = TemplateHandle();
        break;
    }
  }
}

void Pool::on_ready(SnapshotId id, Template& which, const TemplateEvent& event) {
  which.ready = true;
  which.pid = event.pid;
  if (id != kBaseSnapshot) {
    SnapshotEntry& entry = *which.entry;
    entry.id = id;
    entry.ready_since = realtime_ns() / kSecond;
    entry.builds.fetch_add(1);
    entry.served = 0;
    entry.size = private_memory(event.pid);
    entry.state.store(SnapshotState::Ready, std::memory_order_release);
    log::notice(config_.name, "snapshot " + std::to_string(id) + " of '" + entry.script.data() +
                                  "' is ready, pid " + std::to_string(event.pid) +
                                  (event.text.empty() ? "" : ", " + event.text) + ", after " +
                                  describe_seconds(monotonic_ns() - which.started_ns) + " seconds");
    check_warmups();
    return;
  }
  if (started_workers_) {
    restore_base_holders();
  } else if (config_.lwc_snapshots) {
    for (const config::Warmup& warmup : config_.lwc_warmup) {
      on_wanted(php::encode_warmup(as_request(warmup)));
    }
  }
  check_warmups();
}

// A snapshot could not be made, or the base template could not even start.
void Pool::on_failed(SnapshotId id, std::string_view reason) {
  Template& which = templates_.at(id);
  if (id == kBaseSnapshot && started_workers_) {
    log::error(config_.name, "no base template: " + std::string(reason));
    return;  // its exit is seen next
  }
  if (id == kBaseSnapshot) {
    failure_ = std::string(reason);
    return;
  }
  log::error(config_.name, "no snapshot of '" + std::string(which.entry->script.data()) + "': " +
                               std::string(reason) + ". Its requests are served without one.");
  which.entry->state.store(SnapshotState::Failed, std::memory_order_release);
  retry_at_ns_[which.entry] = monotonic_ns() + kRetryAfter;
  which.handle = TemplateHandle();
  if (which.pid == 0) {
    templates_.erase(id);
  }
  check_warmups();
}

void Pool::check_warmups() {
  if (started_workers_ || stopping_ || failure_ || !templates_.at(kBaseSnapshot).ready) {
    return;
  }
  bool open = std::any_of(
      board_->snapshots.begin(), board_->snapshots.end(),
      [](const SnapshotEntry& entry) { return entry.state.load() == SnapshotState::Preparing; });
  if (!open) {
    started_workers_ = true;
    manage();
  }
}

bool Pool::is_ready() const {
  return started_workers_;
}

SnapshotEntry* Pool::entry_for(const std::string& encoded) {
  php::Warmup warmup = php::decode_warmup(encoded);
  std::uint64_t key = snapshot_key(warmup.params, config_.lwc_snapshot_params);
  if (SnapshotEntry* known = board_->find(key, warmup.script)) {
    return known;
  }
  const auto limit = static_cast<std::size_t>(config_.lwc_max_snapshots);
  for (std::size_t i = 0; i < limit; ++i) {
    SnapshotEntry& entry = board_->snapshots[i];
    if (entry.state.load() == SnapshotState::Free) {
      entry.key = key;
      set_text(entry.script, warmup.script);
      return &entry;
    }
  }
  return nullptr;
}

// A request (or the configuration) asks for a snapshot of a script.
void Pool::on_wanted(const std::string& warmup) {
  SnapshotEntry* entry = entry_for(warmup);
  if (entry == nullptr) {
    log::warning(config_.name, "no snapshot of '" + script_of(warmup) + "': lwc.max_snapshots (" +
                                   std::to_string(config_.lwc_max_snapshots) + ") are in use");
    return;
  }
  SnapshotState state = entry->state.load();
  bool may_retry = state == SnapshotState::Failed && monotonic_ns() > retry_at_ns_[entry];
  if (state == SnapshotState::Free || may_retry) {
    prepare(warmup, *entry);
  }
}

// A request tells script and site; the URI to warm up with is what the configuration says, if it
// does.
std::string Pool::with_configured_uri(const std::string& encoded) const {
  php::Warmup warmup = php::decode_warmup(encoded);
  auto configured =
      std::find_if(config_.lwc_warmup.begin(), config_.lwc_warmup.end(),
                   [&warmup](const config::Warmup& one) { return one.script == warmup.script; });
  if (!warmup.uri.empty() || configured == config_.lwc_warmup.end()) {
    return encoded;
  }
  warmup.uri = configured->uri;
  return php::encode_warmup(warmup);
}

void Pool::prepare(std::string warmup, SnapshotEntry& entry) {
  warmup = with_configured_uri(warmup);
  Result<ControlPair> pair = make_control_pair();
  SnapshotId id = next_id_++;
  auto base = templates_.find(kBaseSnapshot);
  Status asked = !pair ? Status{pair.error()}
                 : base == templates_.end()
                     ? Status{Error{"there is no base template"}}
                     : base->second.handle.prepare(id, warmup, pair->other.get());
  if (!asked) {
    log::error(config_.name, "cannot prepare a snapshot: " + asked.error().message);
    entry.state.store(SnapshotState::Failed, std::memory_order_release);
    retry_at_ns_[&entry] = monotonic_ns();  // as soon as there is a base template again
    return;
  }
  entry.state.store(SnapshotState::Preparing, std::memory_order_release);
  Template made;
  made.handle = TemplateHandle(std::move(pair->master));
  made.started_ns = monotonic_ns();
  made.entry = &entry;
  made.warmup = std::move(warmup);
  templates_.emplace(id, std::move(made));
}

// The snapshot is out of date. From now on its requests go to the base, until the next one is
// ready.
void Pool::retire(SnapshotId id) {
  if (stopping_) {
    return;  // there may be no base template any more to make another
  }
  Template& old = templates_.at(id);
  log::notice(config_.name, "snapshot " + std::to_string(id) + " of '" + old.entry->script.data() +
                                "' is out of date, preparing another");
  old.handle.dismiss();
  SnapshotEntry& entry = *old.entry;
  std::string warmup = old.warmup;
  prepare(std::move(warmup), entry);
}

void Pool::tick() {
  const ListenQueue queue = listen_queue(listen_fd());
  board_->listen_queue = queue.waiting;
  board_->max_listen_queue = std::max(board_->max_listen_queue.load(), queue.waiting);
  for (auto& [id, one] : templates_) {
    if (id != kBaseSnapshot && !one.ready && one.pid > 0 &&
        monotonic_ns() - one.started_ns > kWarmupLimit) {
      log::error(config_.name, "the warm-up of '" + std::string(one.entry->script.data()) +
                                   "' did not reach lwc_snapshot() in " +
                                   std::to_string(kWarmupLimit / kSecond) +
                                   " seconds, terminating it");
      ::kill(one.pid, SIGKILL);
    }
  }
  if (started_workers_ && !stopping_) {
    manage();
    restore_base_holders();
  }
  check_overdue();
}

void Pool::check_slow() {
  slow_log_->check();
}

bool Pool::on_stop(pid_t pid, int status) {
  return slow_log_->on_stop(pid, status);
}

}  // namespace lwc
