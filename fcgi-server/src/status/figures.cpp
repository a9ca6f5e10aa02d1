// SPDX-License-Identifier: Apache-2.0
#include "status/figures.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace lwc::status {
namespace {

std::int64_t number(std::uint64_t value) {
  return static_cast<std::int64_t>(value);
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

/// php-fpm's: CPU time over wall time of the last request, percent.
double cpu_percent(const Slot& slot) {
  const std::int64_t duration = slot.request_duration_ns.load();
  if (duration == 0) {
    return 0;
  }
  const double seconds =
      static_cast<double>(slot.cpu_ticks.load()) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return seconds / (static_cast<double>(duration) / 1e9) * 100;
}

std::int64_t pid_of(const Slot& slot, bool idle) {
  const std::int64_t child = slot.exchange.child_pid.load();
  return !idle && child != 0 ? child : slot.server_pid.load();
}

ProcessFigures read_process(const Slot& slot, std::int64_t now_epoch, std::int64_t now_ns) {
  const Stage stage = slot.stage.load();
  const bool idle = stage == Stage::Idle;
  const std::int64_t started = slot.worker_started_ns.load() / kSecond;
  const std::int64_t duration =
      idle ? slot.request_duration_ns.load() : now_ns - slot.request_started_ns.load();
  ProcessFigures process;
  process.uri = text_of(slot.uri);
  process.query = text_of(slot.query);
  process.php = {
      {"pid", pid_of(slot, idle)},
      {"state", std::string(stage_name(stage))},
      {"start time", Moment{started}},
      {"start since", now_epoch - started},
      {"requests", number(slot.requests.load())},
      {"request duration", duration / 1000},
      {"request method", or_dash(text_of(slot.method))},
      {"request uri", std::string()},  // put together by each format: it alone knows the escapes
      {"content length", number(slot.body_size.load())},
      {"user", or_dash(text_of(slot.user))},
      {"script", or_dash(text_of(slot.script))},
      {"last request cpu", idle ? cpu_percent(slot) : 0},
      {"last request memory", idle ? number(slot.peak_memory.load()) : 0},
  };
  const SlotFigures& figures = slot.figures;
  process.own = {
      {"snapshot", number(slot.baton.load().at)},
      {"pages written", number(figures.pages_written.load())},
      {"pages restored", number(figures.pages_restored.load())},
      {"page faults", number(figures.events.load())},
      {"undo time", number(figures.undo_ns.load() / 1000)},
      {"taints", number(figures.taints.load())},
      {"last taint", or_dash(figures.last_taint.data())},
      {"replacements", number(figures.replacements.load())},
  };
  return process;
}

const char* state_name(SnapshotState state) {
  switch (state) {
    case SnapshotState::Preparing:
      return "preparing";
    case SnapshotState::Ready:
      return "ready";
    case SnapshotState::Failed:
      return "failed";
    case SnapshotState::Free:
      break;
  }
  return "free";
}

Fields read_snapshot(const SnapshotEntry& entry, SnapshotState state, std::int64_t now_epoch) {
  const bool ready = state == SnapshotState::Ready;
  return {
      {"id", number(entry.id.load())},
      {"script", std::string(entry.script.data())},
      {"state", std::string(state_name(state))},
      {"age", ready ? now_epoch - entry.ready_since.load() : 0},
      {"size", number(entry.size.load())},
      {"requests", number(entry.served.load())},
      {"builds", number(entry.builds.load())},
  };
}

Fields read_own(PoolBoard& board, std::size_t snapshots) {
  const PoolFigures sums = board.figures();
  return {
      {"engine", std::string(board.engine.data())},
      {"snapshots", number(snapshots)},
      {"pages written", number(sums.pages_written)},
      {"pages restored", number(sums.pages_restored)},
      {"pages remapped", number(sums.pages_remapped)},
      {"page faults", number(sums.events)},
      {"engine calls", number(sums.calls)},
      {"undo time", number(sums.undo_ns / 1000)},
      {"taints", number(sums.taints)},
      {"replacements", number(sums.replacements)},
      {"faults", number(sums.faults)},
      {"timeouts", number(board.timeouts.load())},
  };
}

}  // namespace

Figures read_figures(PoolBoard& board, bool with_processes) {
  const std::int64_t now_epoch = realtime_ns() / kSecond;
  const std::int64_t now_ns = monotonic_ns();
  Figures all;
  std::int64_t idle = 0;
  std::int64_t active = 0;
  for (std::uint32_t i = 0; i < board.slots_touched.load(); ++i) {
    const Slot& slot = board.slot(i);
    if (slot.in_use.load() == 0) {
      continue;
    }
    ++(slot.stage.load() == Stage::Idle ? idle : active);
    if (with_processes) {
      all.processes.push_back(read_process(slot, now_epoch, now_ns));
    }
  }
  const std::int64_t started = board.started.load();
  all.php = {
      {"pool", std::string(board.pool.data())},
      {"process manager", std::string(board.pm.data())},
      {"start time", Moment{started}},
      {"start since", now_epoch - started},
      {"accepted conn", number(board.accepted.load())},
      {"listen queue", std::int64_t{board.listen_queue.load()}},
      {"max listen queue", std::int64_t{board.max_listen_queue.load()}},
      {"listen queue len", std::int64_t{board.listen_queue_length.load()}},
      {"idle processes", idle},
      {"active processes", active},
      {"total processes", idle + active},
      {"max active processes", std::int64_t{board.max_active.load()}},
      {"max children reached", std::int64_t{board.max_children_reached.load()}},
      {"slow requests", number(board.slow.load())},
  };
  for (const SnapshotEntry& entry : board.snapshots) {
    const SnapshotState state = entry.state.load(std::memory_order_acquire);
    if (state == SnapshotState::Free) {
      break;
    }
    all.snapshots.push_back(read_snapshot(entry, state, now_epoch));
  }
  all.own = read_own(board, all.snapshots.size());
  static const Slot unused;
  all.no_process = read_process(unused, now_epoch, now_ns);
  return all;
}

const Value* find(const Fields& fields, const char* name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [name](const Field& field) {
    return std::strcmp(field.name, name) == 0;
  });
  return found != fields.end() ? &found->value : nullptr;
}

}  // namespace lwc::status
