// SPDX-License-Identifier: Apache-2.0
// The server's part of a holder process: take the next connection, find the snapshot that can serve
// it, hand it to the right holder, say how it ended. Which process runs this, and what a child is,
// is the engine's business. The races are described in ../DESIGN.md.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "fastcgi/request_head.hpp"
#include "log_channel.hpp"
#include "lwc/engine.hpp"
#include "lwc/message.hpp"
#include "scoreboard.hpp"
#include "socket_address.hpp"
#include "worker/access_recorder.hpp"
#include "worker/known_scripts.hpp"

namespace lwc {

/// What a worker has to know of its pool.
struct WorkerOptions {
  std::string pool;
  std::vector<std::string> snapshot_params;
  std::optional<std::vector<PeerAddress>> allowed_clients;  ///< not set: every client
  std::chrono::seconds terminate_timeout{0};
  bool track_finished = false;  ///< terminate_timeout goes on after fastcgi_finish_request()
  std::uint64_t max_requests = 0;
  std::uint64_t memory_limit = 0;  ///< bytes that a request may write; 0: no limit
  bool snapshots = true;
  bool catch_output = false;            ///< catch_workers_output
  std::string status_path;              ///< empty: none
  std::string ping_path;                ///< empty: none
  std::vector<std::string> complaints;  ///< about the configuration, for each worker to make
  AccessOptions access;
  std::optional<int> priority;       ///< nice value before each request; not set: nobody looks
  PoolBoard* shown_board = nullptr;  ///< what the status page is about
};

class Worker final : public Server {
 public:
  Worker(WorkerOptions options, int listen_fd, PoolBoard& board, LogChannel& log)
      : options_(std::move(options)), listen_fd_(listen_fd), board_(&board), log_(log) {}

  void enter_slot(std::uint32_t slot, SnapshotId snapshot, UniqueFd control,
                  UniqueFd inbox) override;
  bool next(Job& job) override;
  void finished(const Job& job, const Outcome& outcome) override;
  void retire(std::string_view reason) override;
  std::chrono::milliseconds deadline() override;
  bool is_limited() override;
  Exchange& exchange() override { return slot_->exchange; }
  void called() override { log_access(); }
  void entered_child() override;
  std::vector<int> server_descriptors() override;
  std::vector<int> lent_descriptors() override;
  Result<std::vector<MemoryRange>> withdraw_memory() override;
  std::uint64_t memory_limit() const override { return options_.memory_limit; }

  /// Writes what stands in the slot as the request's line of the access log: before its client has
  /// the whole answer, as php-fpm does. False: this child cannot, it is left to the server.
  bool write_access_line_in_child();

  Slot& slot() { return *slot_; }
  PoolBoard& board() { return *board_; }
  const WorkerOptions& options() const { return options_; }
  const std::string& pool_name() const { return options_.pool; }

 private:
  static constexpr int kPauseMs = 100;  // after what may go wrong again at once

  struct Link {
    SnapshotId snapshot;
    int fd;
  };

  void set_up_output();
  bool wait_for_baton();
  Received take_message();
  bool give_baton(SnapshotId snapshot, int connection);
  int link_to(SnapshotId snapshot);
  bool wait_for_master(std::int64_t until_ns) const;
  bool should_stop();
  void leave();
  bool take_connection();
  bool accept_connection();
  bool wait_readable(int timeout_ms);
  bool look_at_request();
  bool is_own_page(std::string_view script_name) const;
  SnapshotId choose_snapshot();
  void forget_last_request();
  void begin_request(Job& job);
  void keep_priority();
  void drop_connection();
  void delete_uploads();
  void report_end(const Outcome& outcome);
  void report_cost();
  void ask_for_snapshot();
  int access_log() const { return state_->access_fd >= 0 ? state_->access_fd : options_.access.fd; }
  void note_child_log();
  void log_access();
  void write_access_line(int fd);
  void ask_for_log();
  const Link* find_link(SnapshotId snapshot) const;
  void forget_link(SnapshotId snapshot);

  const WorkerOptions options_;
  int listen_fd_;
  PoolBoard* board_;  // the one to write to
  LogChannel& log_;

  Slot* slot_ = nullptr;
  SnapshotId own_ = kBaseSnapshot;
  PoolBoard* childs_board_ = nullptr;  // the view that is left to children, once there are two
  SnapshotEntry* entry_ = nullptr;     // of own_; null for the base
  UniqueFd control_;
  UniqueFd inbox_;
  // The access log that the next child has a descriptor of. It may have been opened anew meanwhile.
  struct ChildLog {
    int fd = -1;
    std::uint32_t generation = 0;
  };
  ChildLog child_log_;
  RequestHead head_;  // of the request looked at last; valid until its child runs

  // What must outlast a request, in memory of its own that no engine undoes (MAP_SHARED, but this
  // holder's alone: children see it and leave it be).
  static constexpr std::size_t kMaxLinks = 64;  // descriptors; others are asked for again
  struct State {
    int connection = -1;  // the one being served, or kept open for the client's next request
    bool has_served = false;
    bool looked_into_inbox = false;
    bool handed = false;         // connection came with the baton and is meant for this snapshot
    bool access_logged = false;  // by the server, for the current request
    std::uint16_t request_id = 0;
    int access_fd = -1;  // the access log, where it was opened anew since the template was made
    std::uint32_t log_generation = 0;
    std::uint32_t link_count = 0;
    std::array<Link, kMaxLinks> links{};
    KnownScripts scripts;
  };
  State* state_ = nullptr;
};

}  // namespace lwc
