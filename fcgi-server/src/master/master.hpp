// SPDX-License-Identifier: Apache-2.0
// The master process: pools, signals, reload. One thread, one loop; PHP was started in it and is
// only forked from.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "log_channel.hpp"
#include "lwc/unique_fd.hpp"
#include "master/emergency_restart.hpp"
#include "master/old_workers.hpp"
#include "master/pool.hpp"

namespace lwc {

struct MasterOptions {
  std::vector<std::string> arguments;    ///< argv, to start the successor with on reload
  std::vector<InheritedSocket> sockets;  ///< of the service manager
  UniqueFd startup;  ///< written to once ready, or when that fails; daemonizing waits for it
};

class Master {
 public:
  Master(config::Config config, MasterOptions options);

  /// Opens sockets, starts all pools, serves until told to stop. The process's exit status.
  int run();

 private:
  enum class State { Starting, Running, Finishing, Terminating };

  Status start();
  Status open_sockets(const std::vector<InheritedSocket>& handed_over);
  Status start_pools();
  std::vector<int> private_fds() const;
  void forget_all_but(const Pool& own);
  Status block_signals();
  std::int64_t slow_check_interval() const;
  void loop();
  void on_signals();
  void on_child();
  void reopen_access_logs();
  void read_log();
  void tick();
  bool has_crashed_too_often();
  Status limit_master() const;
  void tell_ready();
  void report();
  void check_ready();
  void finish();
  void terminate();
  void reload();
  bool new_configuration_is_good();
  Status write_pid() const;
  Status check_users() const;
  bool all_ended() const;

  config::Config config_;
  MasterOptions options_;
  State state_ = State::Starting;
  UniqueFd signals_;
  LogChannel log_;
  ProcessLimit limit_;
  EmergencyRestart emergency_;
  std::vector<std::uint64_t> crashes_seen_;  ///< by pool
  std::vector<std::unique_ptr<Pool>> pools_;
  std::vector<InheritedSocket> unclaimed_;  // activated and of no pool, kept for a reload's
  OldWorkers old_;
  std::int64_t stop_begun_ns_ = 0;
  std::int64_t reported_ns_ = 0;  // when the service manager was last told how things are
  std::uint64_t reported_requests_ = 0;
  bool ready_ = false;
  int exit_status_ = 0;
};

}  // namespace lwc
