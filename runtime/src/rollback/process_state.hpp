// SPDX-License-Identifier: Apache-2.0
// What the kernel keeps for a process besides its memory, at the snapshot, and how it is put back.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <cstdint>

#include "gate.hpp"
#include "journal.hpp"

namespace lwc::rollback {

struct State;

inline constexpr int kDeadlineSignal = 62;  // two below SIGRTMAX: glibc's own are at the other end
inline constexpr int kSignals = 64;

/// Signals that are never blocked in a holder: those that the engine lives on, and faults, which
/// would kill a process that blocks them.
inline constexpr std::uint64_t kNeverBlocked =
    signal_bit(SIGSYS) | signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
    signal_bit(SIGILL) | signal_bit(SIGTRAP) | signal_bit(kDeadlineSignal);

class ProcessState {
 public:
  /// Records the calling process and installs the engine's signal handlers. 0 or -errno; `what`
  /// names what failed.
  long capture(State& state, const char** what);

  /// Puts back what the journal says was touched. False: something cannot be put back; the journal
  /// is tainted with the reason.
  bool restore(State& state);

  /// Children, timers: what must stop before memory is undone.
  bool stop_activity(State& state);

  bool is_base_fd(int fd) const {
    return kind(fd) == FdKind::Base || kind(fd) == FdKind::BaseWithContents;
  }
  /// Reading or writing it changes what this process finds in it next time: event descriptors, and
  /// pipes of which the snapshot has both ends.
  bool has_contents(int fd) const { return kind(fd) == FdKind::BaseWithContents; }
  /// Is there one of that kind?
  bool any_contents() const { return any_contents_; }
  /// Has the snapshot a pipe?
  bool any_pipe() const { return any_pipe_; }
  enum class Reopened : std::uint8_t { Other, Pipe, PipeWithContents };
  /// What a request has opened, as one of the snapshot's pipes: by /proc/self/fd, or by its name.
  /// With contents: what is read or written there, the next request misses or finds.
  Reopened reopened(const struct stat& status, bool for_writing) const;
  bool is_engine_fd(int fd) const { return kind(fd) == FdKind::Engine; }
  /// A request's own dup() or the like may not land there.
  void set_engine_fd(int fd) { set_kind(fd, FdKind::Engine); }
  bool has_locks() const { return lock_count_ != 0; }

  /// The request is ended when this time is over; 0: never. The timer is made when first needed.
  void set_deadline(std::uint64_t milliseconds);
  /// An interval timer that does not run at the snapshot.
  bool itimer_is_off(int which) const { return which >= 0 && which < 3 && is_off(itimers_[which]); }
  static bool is_off(const itimerval& timer) {
    return timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0;
  }
  bool is_engine_timer(int id) const { return id == timer_; }
  /// The mask at the snapshot, less what the engine needs.
  std::uint64_t signal_mask() const { return mask_; }
  void set_signal_mask(std::uint64_t mask) { mask_ = mask & ~kNeverBlocked; }

  /// Tests only: this descriptor is not put back.
  void set_blind_fd(int fd) { blind_fd_ = fd; }

 private:
  enum class FdKind : std::uint8_t { None, Base, BaseWithContents, Engine };
  struct BaseFd {
    int fd;
    int vault;  // a duplicate that requests never see closed
    int flags;  // F_GETFL
    int fd_flags;
    std::int64_t offset;  // -1: not seekable
    bool other_locks;     // flock, open file description locks, leases
    f_owner_ex owner;     // who gets signals of it
    int signal;
    std::uint64_t pipe;  // inode; 0: not a pipe
    std::uint64_t device;
  };
  struct Lock {
    int fd;
    short type;
    std::int64_t start, length;
  };
  static constexpr std::size_t kMaxBaseFds = 256;
  static constexpr std::size_t kMaxLocks = 16;
  static constexpr std::size_t kAffinityBytes = 128;

  FdKind kind(int fd) const { return fd >= 0 && fd < kMaxFds ? kinds_[fd] : FdKind::None; }
  void set_kind(int fd, FdKind kind) {
    if (fd >= 0 && fd < kMaxFds) {
      kinds_[fd] = kind;
    }
  }
  bool make_deadline_timer();
  long capture_fds(State& state);
  long capture_fd(int fd);
  void capture_locks(BaseFd& base);
  long capture_signals(State& state);
  bool restore_fds(State& state);
  void find_contents();
  bool restore_fd(const BaseFd& base, bool replaced, bool by_others);
  bool close_unknown_fds(State& state);
  bool restore_locks(State& state);
  bool restore_misc(State& state);
  void restore_signals(State& state);
  void drop_pending_signals(State& state);
  void end_threads(const State& state);
  bool end_children(State& state);
  long kill_children_of(int thread);
  long open_tasks() const;

  FdKind kinds_[kMaxFds] = {};
  BaseFd fds_[kMaxBaseFds];
  std::size_t fd_count_ = 0;
  bool any_contents_ = false;
  bool any_pipe_ = false;
  Lock locks_[kMaxLocks];
  std::size_t lock_count_ = 0;
  int vault_start_ = 0;
  int cwd_ = -1;
  int tasks_ = -1;  // /proc/self/task
  long umask_ = 0;
  long personality_ = 0;
  long timer_slack_ = 0;
  long priority_ = 0;
  bool had_children_ = false;
  int timer_ = -1;
  itimerval itimers_[3] = {};
  rlimit limits_[RLIM_NLIMITS] = {};
  std::uint64_t mask_ = 0;
  KernelSigaction actions_[kSignals + 1] = {};
  std::uint64_t one_shot_signals_ = 0;  // SA_RESETHAND: the kernel resets them by itself
  long affinity_size_ = 0;
  std::uint64_t affinity_[kAffinityBytes / 8] = {};
  char name_[16] = {};
  char buffer_[4096];  // scratch: directory entries, /proc files
  int blind_fd_ = -1;
};

}  // namespace lwc::rollback
