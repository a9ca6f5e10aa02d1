// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "caught_output.hpp"
#include "fastcgi/error_page.hpp"
#include "log.hpp"
#include "log/logger.hpp"
#include "log/sinks.hpp"
#include "lwc/fault_handler.hpp"
#include "process_title.hpp"
#include "slot_protocol.hpp"

namespace lwc {
namespace {

// For the signal handler: what makes accept() of a worker return that was told to stop just before
// it.
int g_listen_fd = -1;
int g_dead_fd = -1;
int g_control_fd = -1;
std::atomic<std::uint32_t>* g_stop = nullptr;

void on_stop_signal(int) {
  std::uint32_t expected = kGoOn;
  g_stop->compare_exchange_strong(expected, kStopSoon);
  if (g_listen_fd >= 0 && g_stop->load() == kStopSoon) {
    ::dup2(g_dead_fd, g_listen_fd);
    // Whoever reloads waits for this: OldWorkers::finish().
    const pid_t self = ::getpid();
    ::send(g_control_fd, &self, sizeof self, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void on_wake_signal(int) {}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(signal, &action, nullptr);
}

// Standard input is open once for all workers: what a request does to its flags, a request of
// another worker would see meanwhile. One that this user may not open stays shared.
void take_own_standard_input() {
  struct stat about {};
  if (::fstat(STDIN_FILENO, &about) != 0 || !S_ISCHR(about.st_mode)) {
    return;  // to open a pipe could block
  }
  int access = ::fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE;
  UniqueFd own(::open("/proc/self/fd/0", access | O_NOCTTY | O_CLOEXEC));
  if (own.get() >= 0) {
    ::dup2(own.get(), STDIN_FILENO);
  }
}

std::size_t whole_pages(std::size_t size) {
  return (size + kPage - 1) / kPage * kPage;
}

// This holder's: asked for once and not for every request.
pid_t g_pid = 0;

}  // namespace

void Worker::enter_slot(std::uint32_t slot, SnapshotId snapshot, UniqueFd control, UniqueFd inbox) {
  slot_ = &board_->slot(slot);
  g_pid = ::getpid();
  own_ = snapshot;
  entry_ = board_->entry_of(snapshot);
  control_ = std::move(control);
  inbox_ = std::move(inbox);
  void* memory =
      ::mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    log_.send(php::LogLevel::Error, options_.pool,
              errno_error("cannot map a worker's state").message);
    ::_exit(EXIT_FAILURE);
  }
  state_ = new (memory) State;
  head_.params.reserve(RequestHead::kUsualParams);
  ::setpgid(0, 0);  // what a request sends to its process group reaches no other worker
  set_process_title("pool " + options_.pool);
  take_own_standard_input();
  set_up_output();
  if (own_ == kBaseSnapshot) {  // once for a worker, not for each of its snapshots
    std::for_each(options_.complaints.begin(), options_.complaints.end(), worker_error);
  }
  delete_uploads();  // of a request that took its worker with it
  state_->log_generation = options_.access.generation;
  g_dead_fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_control_fd = control_.get();
  g_listen_fd = listen_fd_;
  g_stop = &slot_->stop;
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // the master gone: finish what runs, then end
  handle(SIGQUIT, on_stop_signal);
  handle(SIGUSR1, on_wake_signal);
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD}) {
    ::signal(signal, SIG_DFL);
  }
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (Status installed = install_fault_handler(slot_->exchange); !installed) {
    log_.send(php::LogLevel::Warning, options_.pool, installed.error().message);
  }
  keep_priority();
}

// A request can change it for everything that runs as its user (setpriority() by PRIO_USER, a
// renice that it starts): for this process, what is parked, templates. To lower a nice value takes
// the master's right.
void Worker::keep_priority() {
  constexpr int kRounds = 2;  // one may have begun before
  for (int round = 0; round < kRounds; ++round) {
    if (!options_.priority || !board_->keeps_priority ||
        ::getpriority(PRIO_PROCESS, 0) == *options_.priority) {
      return;
    }
    const std::uint32_t before = board_->priority_rounds;
    Message lost;
    lost.kind = static_cast<std::uint32_t>(SlotMessage::LostPriority);
    if (!send_message(control_.get(), lost, {}, false)) {
      return;
    }
    const std::int64_t until_ns = monotonic_ns() + kAnswerTimeoutMs * kMillisecond;
    while (board_->master_answers && board_->priority_rounds == before &&
           monotonic_ns() < until_ns) {
      ::poll(nullptr, 0, 1);
    }
  }
}

void Worker::set_up_output() {
  if (!options_.catch_output) {
    drop_output();
    return;
  }
  Result<OutputPipes> pipes = redirect_output();
  if (!pipes) {
    log_.send(php::LogLevel::Error, options_.pool, pipes.error().message);
    return;
  }
  Message message;
  message.kind = static_cast<std::uint32_t>(SlotMessage::Output);
  message.pid = ::getpid();
  [[maybe_unused]] Status sent =
      send_message(control_.get(), message, {pipes->out.get(), pipes->err.get()});
}

std::vector<int> Worker::server_descriptors() {
  std::vector<int> fds{listen_fd_,         control_.get(),     inbox_.get(),     g_dead_fd,
                       state_->connection, options_.access.fd, state_->access_fd};
  for (std::uint32_t i = 0; i < state_->link_count; ++i) {
    fds.push_back(state_->links[i].fd);
  }
  std::erase(fds, -1);
  return fds;
}

std::vector<int> Worker::lent_descriptors() {
  note_child_log();
  return {child_log_.fd};
}

// The scoreboard tells children about all slots, but a child has no business in those of others,
// nor with what its server and the master say to each other in its own.
Result<std::vector<MemoryRange>> Worker::withdraw_memory() {
  const auto own = static_cast<std::uint32_t>(slot_ - &board_->slot(0));
  Result<PoolBoardPtr> writable = seal_board(*board_, own);
  if (!writable) {
    return writable.error();
  }
  if (options_.shown_board != board_) {
    if (Status sealed = seal_board(*options_.shown_board); !sealed) {
      return sealed.error();
    }
  }
  childs_board_ = std::exchange(board_, writable->release());  // for as long as the process lives
  slot_ = &board_->slot(own);
  g_stop = &slot_->stop;
  entry_ = board_->entry_of(own_);
  return std::vector<MemoryRange>{{board_, board_size(board_->slot_count)},
                                  {state_, whole_pages(sizeof(State))}};
}

// When a child in a process of its own is made, and when one in this process begins.
void Worker::note_child_log() {
  child_log_ = {access_log(), state_->log_generation};
}

void Worker::entered_child() {
  if (childs_board_ != nullptr) {
    const auto own = slot_ - &board_->slot(0);
    board_ = childs_board_;
    slot_ = &board_->slot(static_cast<std::uint32_t>(own));
  }
  // Here a signal to stop is the server's business; the request is finished first.
  handle(SIGQUIT, on_wake_signal);
  g_listen_fd = -1;
  control_.release();  // closed already
  inbox_.release();
  listen_fd_ = -1;
}

bool Worker::should_stop() {
  if (slot_->stop.load() == kDrain && state_->connection < 0) {
    pollfd queue{listen_fd_, POLLIN, 0};
    return ::poll(&queue, 1, 0) <=
           0;  // accept() does not block any more: the master has seen to that
  }
  return slot_->stop.load() != kGoOn ||
         (options_.max_requests > 0 && slot_->requests.load() >= options_.max_requests);
}

void Worker::leave() {
  if (state_->connection >= 0) {
    drop_connection();
  }
  slot_->baton = Baton{kNobody};
  slot_->stage = Stage::Ended;
  set_active(*board_, *slot_, false);
}

// The baton stays: the master sees this holder end without having been told to, and gives it to a
// new one of the same snapshot.
void Worker::retire(std::string_view reason) {
  std::string who = "child " + std::to_string(::getpid());
  if (!state_->has_served) {
    // The next one may fare no better. It is not to be tried all the time.
    log_.send(php::LogLevel::Error, options_.pool, who + " cannot serve: " + std::string(reason));
    ::poll(nullptr, 0, kPauseMs);
  } else {
    slot_->figures.add_taint(reason);
    log_.send(php::LogLevel::Notice, options_.pool,
              who + " is replaced after " + describe_script(*slot_) + ": " + std::string(reason));
  }
  if (state_->connection >= 0) {
    drop_connection();
  }
}

bool Worker::next(Job& job) {
  for (;;) {
    if (!wait_for_baton()) {
      return false;
    }
    if (state_->handed) {
      state_->handed = false;
      // The sender looked at this request and chose this snapshot. Only its id is needed again.
      if (!look_at_request()) {
        drop_connection();
        continue;
      }
      begin_request(job);
      return true;
    }
    if (should_stop()) {
      leave();
      return false;
    }
    if (!board_->is_current(own_)) {  // replaced by a newer snapshot
      if (give_baton(kBaseSnapshot, -1)) {
        return false;
      }
    }
    slot_->stage = Stage::Idle;
    set_active(*board_, *slot_, false);
    slot_->idle_since_ns = monotonic_ns();
    slot_->server_pid = g_pid;
    if (!take_connection()) {
      continue;
    }
    SnapshotId wanted = choose_snapshot();
    if (wanted == own_ || (!give_baton(wanted, state_->connection) && own_ == kBaseSnapshot)) {
      begin_request(job);
      return true;
    }
    if (slot_->baton.load().is_held_by(own_) && !give_baton(kBaseSnapshot, state_->connection)) {
      send_error_page(state_->connection, head_.request_id, 503);
      drop_connection();
    }
  }
}

// The base answers the daemon's own pages, whatever SCRIPT_FILENAME says.
bool Worker::is_own_page(std::string_view script_name) const {
  return !script_name.empty() &&
         (script_name == options_.status_path || script_name == options_.ping_path);
}

SnapshotId Worker::choose_snapshot() {
  if (!options_.snapshots || head_.state != RequestHead::State::Complete || !board_->any_ready() ||
      is_own_page(head_.param("SCRIPT_NAME"))) {
    return kBaseSnapshot;
  }
  SnapshotEntry* entry =
      board_->find_ready(snapshot_key(head_, options_.snapshot_params),
                         head_.param("SCRIPT_FILENAME"), php::splits_path_info());
  return entry != nullptr ? entry->id.load() : kBaseSnapshot;
}

// What the master sees from now on is not the request before: its process may be gone, and the
// number be another's, when the master ends who is overdue.
void Worker::forget_last_request() {
  slot_->exchange.child_pid = 0;
  slot_->exchange.report = ChildReport{};
  slot_->method[0] = slot_->uri[0] = slot_->query[0] = slot_->script[0] = slot_->user[0] = '\0';
  slot_->body_size = 0;
}

void Worker::begin_request(Job& job) {
  keep_priority();
  slot_->exchange.fault.signal = 0;
  slot_->access_size = 0;
  state_->access_logged = false;
  note_child_log();
  slot_->uploads_size = 0;
  slot_->requests.fetch_add(1, std::memory_order_relaxed);
  if (entry_ != nullptr) {
    entry_->served.fetch_add(1, std::memory_order_relaxed);
  }
  slot_->server_pid = g_pid;
  slot_->request_started_ns = monotonic_ns();
  slot_->stage = Stage::ReadingHeaders;
  board_->accepted.fetch_add(1, std::memory_order_relaxed);
  slot_->no_body = head_.body_ended;
  slot_->plain_script =
      state_->scripts.is_plain(head_.param("SCRIPT_FILENAME"), head_.param("DOCUMENT_ROOT"),
                               slot_->request_started_ns.load(std::memory_order_relaxed));
  slot_->head_size = static_cast<std::uint32_t>(head_.size);
  state_->request_id = head_.request_id;
  job.connection = state_->connection;
}

bool Worker::is_limited() {
  return options_.terminate_timeout.count() != 0 &&
         (slot_->exchange.report.answer_finished == 0 || options_.track_finished);
}

std::chrono::milliseconds Worker::deadline() {
  using std::chrono::milliseconds;
  if (!is_limited()) {
    return milliseconds{0};
  }
  auto limit = std::chrono::duration_cast<milliseconds>(options_.terminate_timeout);
  milliseconds spent{(monotonic_ns() - slot_->request_started_ns) / kMillisecond};
  return std::max(limit - spent, milliseconds{1});
}

void Worker::finished(const Job&, const Outcome& ended) {
  Slot& slot = *slot_;
  slot.stage = Stage::Finishing;  // nothing is overdue any more, and its process may have ended
  slot.request_duration_ns = monotonic_ns() - slot.request_started_ns;
  Outcome outcome = ended;
  if (outcome.end == Outcome::End::Fault && outcome.status == SIGKILL && is_limited() &&
      std::chrono::nanoseconds(slot.request_duration_ns) >= options_.terminate_timeout) {
    outcome.end = Outcome::End::TimedOut;  // by the master, which was first: Pool::check_overdue()
  }
  slot.figures.add(slot.exchange.cost);
  state_->has_served = true;
  if (options_.catch_output) {
    mark_end_of_request();
  }
  log_access();
  const ChildReport& report = slot.exchange.report;
  if (outcome.end != Outcome::End::Done) {
    report_end(outcome);
    delete_uploads();
  } else {
    slot.uploads_size = 0;  // PHP has deleted them
  }
  if (log::logger().is_enabled(log::Level::Debug)) {
    report_cost();
  }
  bool answered = report.answer_started != 0;
  if (!answered && (outcome.end != Outcome::End::Done)) {
    int status = outcome.end == Outcome::End::TimedOut ? 504
                 : outcome.end == Outcome::End::Lost   ? 503
                                                       : 500;
    send_error_page(state_->connection, state_->request_id, status);
    close_connection(state_->connection, true);
    state_->connection = -1;
  } else if (report.keep_connection == 0 || outcome.started_processes) {
    close_connection(state_->connection, report.unread_input != 0 && report.answer_finished != 0);
    state_->connection = -1;
  }
  if (report.wants_snapshot != 0) {
    ask_for_snapshot();
  }
}

// What the client of a request uploaded that did not come to its end. Here and not in the master:
// the names come from a child, so no more may be done with them than the child could do.
void Worker::delete_uploads() {
  const std::size_t size =
      std::min<std::size_t>(slot_->uploads_size.exchange(0), slot_->uploads.size());
  for (std::string_view rest(slot_->uploads.data(), size); !rest.empty();) {
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) {
      break;
    }
    ::unlink(rest.data());
    rest.remove_prefix(end + 1);
  }
}

// A child of the base has met lwc_snapshot(); ChildHost left in the slot what names its site.
void Worker::ask_for_snapshot() {
  Message message;
  message.kind = static_cast<std::uint32_t>(SlotMessage::WantSnapshot);
  message.text.assign(slot_->want.data(),
                      std::min<std::size_t>(slot_->want_size, slot_->want.size()));
  [[maybe_unused]] Status sent = send_message(control_.get(), message, {}, false);
}

}  // namespace lwc
