// SPDX-License-Identifier: Apache-2.0
// The master's view of one pool: its templates, its worker slots, and who is to be started or ended
// when. The master alone calls it, from its event loop. The races with workers are described in
// ../DESIGN.md.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "caught_output.hpp"
#include "config/config.hpp"
#include "log_channel.hpp"
#include "lwc/message.hpp"
#include "lwc/template.hpp"
#include "master/listener.hpp"
#include "master/old_workers.hpp"
#include "master/process_limit.hpp"
#include "master/second_look.hpp"
#include "master/slow_log.hpp"
#include "scoreboard.hpp"

namespace lwc {

class Pool {
 public:
  Pool(config::PoolConfig config, Listener listener, LogChannel& log, ProcessLimit& limit,
       std::string engine);

  /// Makes the shared memory.
  Status make_board();
  /// What a base template has inherited and nobody there may have: called in its process.
  struct Inheritance {
    std::function<std::vector<int>()> fds;  ///< open in the master, those of `own` among them
    std::function<void(const Pool& own)> forget_others;  ///< other pools' configuration and boards
  };
  /// Forks the base template. `shown`: the board that the status page tells of, where that is
  /// another pool's (pm.status_listen).
  Status start(PoolBoard* shown, Inheritance inherited);

  /// Descriptors to watch for reading.
  void add_fds(std::vector<pollfd>& fds) const;
  void on_readable(int fd);
  /// True when `pid` was one of this pool's processes.
  bool on_exit(pid_t pid, int status);
  /// wait() has told that a process was stopped. True: it was to be traced by this pool.
  bool on_stop(pid_t pid, int status);
  /// Once a second: process management, warm-ups, overdue requests.
  void tick();
  /// Several times in the shortest time after which a request is slow.
  void check_slow();

  /// All that was to be prepared before traffic has been prepared, or has failed.
  bool is_ready() const;
  /// The reason why the pool can never become ready.
  const std::optional<std::string>& failure() const { return failure_; }

  /// After log rotation. True: there is an access log, and it was opened anew.
  Result<bool> reopen_access_log();

  /// Nobody can connect any more; every worker ends when it has served what waits in line. The
  /// line at an activated socket is left to the process that the service manager starts next.
  void stop_gracefully();
  /// Before a reload: no template forks anybody any more, and all whom they have forked are known
  /// (holder_pids()). Waits for that, but not beyond `deadline_ns`; workers go on serving.
  void settle(std::int64_t deadline_ns);
  /// The Unix socket's name goes away, if the socket is ours. Not for a reload.
  void remove_socket();
  void signal_all(int signal);  ///< to every process of the pool
  bool has_processes() const;
  std::vector<pid_t> holder_pids() const;
  /// What the successor after a reload needs: the socket, and what belongs to the workers.
  void hand_over(Handover& to) const;
  /// All that the master has open for this pool.
  std::vector<int> all_fds() const;

  /// In a process that is another pool's: wipes what this one was told, and its board unless it is
  /// `shown` there.
  void forget(const PoolBoard* shown);
  const PoolBoard* shown() const { return shown_; }

  const config::PoolConfig& config() const { return config_; }
  int listen_fd() const { return listener_.fd.get(); }
  PoolBoard& board() { return *board_; }

  /// Workers that are not about to end.
  struct Counts {
    int idle = 0;
    int active = 0;
    std::uint32_t longest_idle = 0;  ///< the slot of the one that has been idle longest
    bool has_idle = false;
  };
  Counts count() const;

 private:
  InheritedSocket socket() const;
  /// Descriptors that workers need until they have ended.
  std::vector<int> worker_fds() const;

  struct Template {
    TemplateHandle handle;
    pid_t pid = 0;
    bool ready = false;
    int asked_for = 0;  // holders that it has not made yet
    std::int64_t started_ns = 0;
    SnapshotEntry* entry = nullptr;  // null for the base
    std::string warmup;              // encoded
  };
  struct Holder {
    pid_t pid;
    SnapshotId snapshot;
    std::int64_t started_ns;
  };
  struct Inbox {
    UniqueFd send;
    UniqueFd receive;  // kept here too, so that what was sent outlives a holder
  };
  struct WorkerSlot {
    bool live = false;
    bool idle_kill = false;  // ended by process management
    bool replacing = false;  // the next holder takes the place of one that ended by itself
    pid_t killed = 0;  // the process last ended for a request's time, which takes its time to die
    UniqueFd control;
    UniqueFd control_other;
    CaughtOutput output;
    std::map<SnapshotId, Inbox> inboxes;
    std::vector<Holder> holders;
    std::vector<SnapshotId> starting;  // asked for, not yet there
  };

  // pool.cpp: templates and snapshots
  Status start_base(std::chrono::milliseconds pause = {});
  Status open_access_log();
  void close_masters_fds() const;
  void on_template(SnapshotId id);
  void on_ready(SnapshotId id, Template& which, const TemplateEvent& event);
  void on_failed(SnapshotId id, std::string_view reason);
  std::string with_configured_uri(const std::string& encoded) const;
  void prepare(std::string warmup, SnapshotEntry& entry);
  void on_wanted(const std::string& warmup);
  void retire(SnapshotId id);
  SnapshotEntry* entry_for(const std::string& warmup);
  void check_warmups();

  // pool_exits.cpp
  void on_template_exit(SnapshotId id, int status);
  std::vector<SnapshotId> template_ids() const;
  void forget_unborn();
  bool on_known_exit(pid_t pid, int status);
  void match_early_exits();

  // worker_slots.cpp: slots and holders
  void start_worker(std::uint32_t index);
  bool spawn_holder(std::uint32_t index, SnapshotId snapshot);
  void forget_starting(SnapshotId snapshot);
  void restore_base_holders();
  void on_answered(const TemplateEvent& event);
  void on_spawned(const TemplateEvent& event);
  void on_slot_message(std::uint32_t index);
  void answer_log(std::uint32_t index);
  void answer_link(std::uint32_t index, SnapshotId snapshot);
  Inbox* inbox(std::uint32_t index, SnapshotId snapshot);
  void on_holder_exit(std::uint32_t index, const Holder& holder, int status);
  void fill_gap(std::uint32_t index, const Holder& dead);
  void reroute_to_base(std::uint32_t index, SnapshotId from);
  void recover_baton(std::uint32_t index, SnapshotId sender);
  void give_base_baton(std::uint32_t index, const std::vector<int>& connection);
  void end_slot(std::uint32_t index);
  void replace_worker(std::uint32_t index);
  enum class ExitReason { Unbidden, ProcessManagement, Expected };
  /// `during`: what is added of the request that it was serving.
  void log_exit(const Holder& holder, int status, const std::string& during, ExitReason why) const;

  // pool_priority.cpp
  int configured_priority() const;
  void restore_priority();

  // pool_end.cpp
  void dismiss_templates();
  void end_latecomer(const TemplateEvent& event);

  // process_management.cpp
  void manage();
  void manage_dynamic();
  void manage_ondemand();
  bool can_start();
  int start_workers(int count);
  void warn_of_max_children(const char* setting);
  void stop_worker(std::uint32_t index, Stop how);
  void check_overdue();
  bool is_overdue(const Slot& slot, const Progress& request) const;

  config::PoolConfig config_;
  Listener listener_;
  UniqueFd access_log_;
  LogChannel& log_;
  ProcessLimit& limit_;
  std::string engine_;
  int priority_ = 0;  // nice value of the pool's processes
  PoolBoardPtr board_;
  PoolBoard* shown_ = nullptr;
  Inheritance inherited_;
  std::optional<SlowLog> slow_log_;
  SecondLook second_look_;
  std::map<SnapshotId, Template> templates_;
  std::vector<WorkerSlot> slots_;
  SnapshotId next_id_ = 1;
  std::map<SnapshotEntry*, std::int64_t> retry_at_ns_;
  // Exits noticed before the template's word of having forked the process had come.
  struct EarlyExit {
    int status;
    std::int64_t noticed_ns;
  };
  std::map<pid_t, EarlyExit> early_exits_;
  bool started_workers_ = false;
  bool stopping_ = false;
  int end_signal_ = 0;  // what signal_all() has sent
  int spawn_rate_ = 1;
  bool warned_max_children_ = false;  // and no worker was started since
  std::optional<std::string> failure_;
};

}  // namespace lwc
