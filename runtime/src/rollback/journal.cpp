// SPDX-License-Identifier: Apache-2.0
#include "journal.hpp"

namespace lwc::rollback {

void Journal::taint(const char* what, long number) {
  if (tainted) {
    return;  // The first reason is the one worth reading.
  }
  tainted = true;
  std::size_t at = 0;
  for (; what[at] != '\0' && at < kMaxReason - 21; ++at) {
    taint_reason[at] = what[at];
  }
  if (number >= 0) {
    taint_reason[at++] = ' ';
    long divisor = 1;
    while (number / divisor >= 10) {
      divisor *= 10;
    }
    for (; divisor > 0; divisor /= 10) {
      taint_reason[at++] = static_cast<char>('0' + number / divisor % 10);
    }
  }
  taint_reason[at] = '\0';
}

void Journal::clear() {
  touched = 0;
  tainted = false;
  taint_reason[0] = '\0';
  pending_memory = 0;
  pending_fds = 0;
  pending_process = 0;
  recording = false;
  fresh.clear();
  lost.clear();
  dropped.clear();
  reprotected.clear();
  opened.clear();
  lost_fds.clear();
  used_fds.clear();
  locked_fds.clear();
  aliases.clear();
  content_aliases.clear();
  unknown_aliases = false;
  other_locked_fds.clear();
  itimers = 0;
  changed_signals = 0;
  timer_count = 0;
}

}  // namespace lwc::rollback
