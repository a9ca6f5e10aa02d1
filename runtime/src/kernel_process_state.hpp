// SPDX-License-Identifier: Apache-2.0
// What the kernel keeps for a process beside its memory, files and credential: a light-weight
// context does not hold it, so a child changes it for its server and for the next child.
#pragma once

#include <sched.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

struct lwc_regs;

namespace lwc {

class KernelProcessState {
 public:
  /// Records the calling process.
  void capture();

  /// A child is about to make one of watched_calls().
  void note(const lwc_regs& regs);

  /// Has the child made a process since restore()?
  bool has_forked() const { return has_forked_; }

  /// In the server: puts back what the child changed. Not empty: what cannot be put back.
  std::string_view restore();

  /// What is open for this.
  int descriptor() const { return oom_score_adj_.get(); }

 private:
  void note_prctl(std::uint64_t option);
  void taint(std::string_view what);
  bool restore_limits() const;
  void restore_what_files_in_proc_change();

  bool limits_touched_ = false;
  bool priority_touched_ = false;
  bool affinity_touched_ = false;
  bool parent_death_touched_ = false;
  bool semaphores_touched_ = false;
  bool has_forked_ = false;
  std::string_view taint_;

  std::array<rlimit, RLIM_NLIMITS> limits_{};
  int priority_ = 0;
  cpu_set_t affinity_{};
  int timer_slack_ = 0;
  int parent_death_ = 0;
  std::array<char, 16> name_{};
  UniqueFd oom_score_adj_;
  std::array<char, 8> oom_score_{};
};

}  // namespace lwc
