// SPDX-License-Identifier: Apache-2.0
// What all processes of a pool share: its worker slots and its table of snapshots. One MAP_SHARED
// mapping per pool, made by the master before it forks, never undone by an engine. Plain data only.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "config/config.hpp"
#include "engine_figures.hpp"
#include "lwc/engine.hpp"
#include "lwc/exchange.hpp"
#include "lwc/result.hpp"

namespace lwc {

inline constexpr std::size_t kMaxPath = 1024;  // bytes kept of a path or URI, ending zero included
/// Entries are taken in order and never given back: those in use come first.
inline constexpr std::size_t kMaxSnapshots = config::kMaxSnapshots;

/// Stage of a worker slot (stage_name() has php-fpm's words for the status page).
enum class Stage : std::uint32_t { Idle, ReadingHeaders, Info, Running, Finishing, Ended };

/// Values of Slot::stop.
enum Stop : std::uint32_t {
  kGoOn = 0,
  kStopSoon = 1,  ///< after the current request; others take what waits in line
  kDrain = 2,     ///< when nobody waits in line any more: the whole daemon ends
};

/// Where the baton of a slot is that nobody serves any more.
inline constexpr SnapshotId kNobody = 0xffffffff;

/// Who serves a slot. One word, which changes in one step.
struct Baton {
  SnapshotId at = kBaseSnapshot;  ///< the snapshot whose holder has it, or is to get it
  std::uint32_t transfer = 0;     ///< 0: it is there; else the number of the message it travels in

  bool is_held_by(SnapshotId snapshot) const { return at == snapshot && transfer == 0; }
  bool operator==(const Baton&) const = default;
};

/// How far a slot's request is, as another process sees it.
struct Progress {
  Stage stage;
  std::int64_t started_ns;  ///< CLOCK_MONOTONIC; tells one request of the slot from the next
  std::int64_t spent_ns;
};

/// One worker slot. Written by whoever holds the slot's baton (server and child in turn); `stop` by
/// the master. What the child does not write comes first, in pages of its own: there engine kernel
/// keeps it from writing.
struct alignas(kPage) Slot {
  std::atomic<std::uint32_t> in_use{0};  ///< the master has given the slot to a worker
  std::atomic<Baton> baton{Baton{}};
  std::atomic<SnapshotId> baton_from{kNobody};       ///< who sent it last; kNobody: the master
  std::atomic<std::uint32_t> transfers{0};           ///< how often it was sent
  std::atomic<std::uint32_t> stop{kGoOn};            ///< a Stop
  std::atomic<std::uint32_t> active{0};              ///< counted in PoolBoard::active
  std::atomic<std::int32_t> server_pid{0};           ///< the holder that has the baton
  std::atomic<std::uint64_t> requests{0};            ///< begun since the worker started
  std::atomic<std::int64_t> worker_started_ns{0};    ///< CLOCK_REALTIME
  std::atomic<std::int64_t> request_started_ns{0};   ///< CLOCK_MONOTONIC
  std::atomic<std::int64_t> request_duration_ns{0};  ///< of the last one that ended
  std::atomic<std::int64_t> idle_since_ns{0};        ///< CLOCK_MONOTONIC
  std::atomic<std::uint32_t> head_size{
      0};                            ///< bytes on the connection that are known to be the request's
  std::atomic<bool> no_body{false};  ///< the request has no body, and its end was seen
  std::atomic<bool> plain_script{false};  ///< php::is_plain_script()
  std::atomic<bool> slow_client{false};   ///< receiving was limited, as the head came slowly
  SlotFigures figures;

  Exchange exchange;  ///< the child writes from its `report` on

  std::atomic<Stage> stage{Stage::Idle};
  std::atomic<std::int64_t> cpu_ticks{0};       ///< CPU time of the last request, clock ticks
  std::atomic<std::int64_t> cpu_ticks_read{0};  ///< CPU time of `cpu_pid` at its last request's end
  std::atomic<pid_t> cpu_pid{0};
  std::atomic<std::uint64_t> body_size{0};
  std::atomic<std::uint64_t> peak_memory{0};
  std::array<char, 16> method{};
  std::array<char, kMaxPath> uri{};
  std::array<char, kMaxPath> query{};
  std::array<char, kMaxPath> script{};
  std::array<char, 64> user{};
  std::atomic<std::uint32_t> access_size{0};  ///< bytes used of `access_line`
  std::array<char, 1032> access_line{};       ///< the child's line for the access log, with its end
  std::atomic<std::uint32_t> uploads_size{0};  ///< bytes used of `uploads`
  std::array<char, 8192> uploads{};  ///< files of the request's uploads, each with its ending zero
  std::atomic<std::uint32_t> want_size{0};  ///< bytes used of `want`
  std::array<char, 8192> want{};  ///< encoded php::Warmup of a site that asks for a snapshot

  /// The baton is on its way to `to` from here on; the number that its message has to carry.
  std::uint32_t send_baton(SnapshotId from, SnapshotId to);

  /// Read in the opposite order to that in which a request that begins writes it: a stage never
  /// comes with the time of the request before its own.
  Progress progress() const;
};
static_assert(std::atomic<Baton>::is_always_lock_free);

enum class SnapshotState : std::uint32_t {
  Free,
  Preparing,  ///< its warm-up runs; requests go to the base
  Ready,
  Failed,  ///< `reason` says why; tried again when `retry_at_ns` has passed
};

/// One application snapshot. Written by the master only; `state` last (release), read first
/// (acquire).
struct SnapshotEntry {
  std::atomic<SnapshotState> state{SnapshotState::Free};
  std::atomic<SnapshotId> id{0};
  std::atomic<std::uint64_t> key{0};  ///< identity(): script and the parameters that belong to it
  std::atomic<std::int64_t> ready_since{0};  ///< seconds since the epoch
  std::atomic<std::uint64_t> served{0};      ///< requests of this build, written by holders
  std::atomic<std::uint32_t> builds{0};
  std::atomic<std::uint64_t> size{0};  ///< bytes of memory of its own, when it was ready
  std::array<char, kMaxPath> script{};
};

struct alignas(kPage) PoolBoard {
  std::array<char, 64> pool{};
  std::array<char, 16> pm{};               ///< "static", "dynamic" or "ondemand"
  std::array<char, 16> engine{};           ///< the one in use; written by the base template
  std::atomic<std::uint64_t> accepted{0};  ///< connections' requests since start
  std::atomic<std::uint64_t> slow{0};
  std::atomic<std::uint64_t> crashes{0};  ///< requests and holders ended by SIGSEGV or SIGBUS
  std::atomic<std::uint64_t> timeouts{0};
  std::atomic<std::uint32_t> max_children_reached{0};
  std::atomic<std::uint32_t> active{0};  ///< slots with a request
  std::atomic<std::uint32_t> max_active{0};
  std::atomic<std::uint32_t> listen_queue{0};  ///< as the master saw it last; TCP only
  std::atomic<std::uint32_t> max_listen_queue{0};
  std::atomic<std::uint32_t> listen_queue_length{0};  ///< the backlog in force; TCP only
  std::atomic<std::int64_t> started{0};               ///< seconds since the epoch
  std::atomic<std::uint32_t> log_generation{0};       ///< how often the access log was opened anew
  std::atomic<bool> master_answers{true};  ///< what holders ask; not any more once it reloads
  std::atomic<bool> keeps_priority{true};  ///< the master may put the processes' priority back
  std::atomic<std::uint32_t> priority_rounds{0};  ///< how often it has
  std::array<SnapshotEntry, kMaxSnapshots> snapshots;
  std::uint32_t slot_count = 0;
  std::atomic<std::uint32_t> slots_touched{0};  ///< slots from here on were never used

  Slot& slot(std::uint32_t index) { return reinterpret_cast<Slot*>(this + 1)[index]; }

  /// The entry whose snapshot serves requests with this key now, or null. `with_path_info`: a
  /// script's path may be followed by more, as in "/srv/index.php/articles" (cgi.fix_pathinfo).
  SnapshotEntry* find_ready(std::uint64_t key, std::string_view script, bool with_path_info);
  /// The entry of this key in whatever state, or null.
  SnapshotEntry* find(std::uint64_t key, std::string_view script);
  /// The entry that offers snapshot `id`, or null: it is the base, or another has taken its place.
  SnapshotEntry* entry_of(SnapshotId id);
  /// True while `id` is what its entry offers. The base always is.
  bool is_current(SnapshotId id) const;
  bool any_ready() const;
  /// What the engine did in all slots.
  PoolFigures figures();
};

/// "script '/srv/index.php' (request: "GET /index.php?a=b")": how the log names a slot's request.
std::string describe_script(const Slot& slot);
/// "child 4711, script '/srv/index.php' (request: "GET /index.php?a=b")": with who
/// serves it.
std::string describe_request(const Slot& slot);

/// Counts the slot as active or not, once: whoever takes the flag changes the sum.
void set_active(PoolBoard& board, Slot& slot, bool active);

/// "Idle", "Running", ...
const char* stage_name(Stage stage);

/// What stands in one of the arrays above. A child may have left no zero in it.
template <std::size_t N>
std::string text_of(const std::array<char, N>& from) {
  return {from.data(), ::strnlen(from.data(), N)};
}

/// Copies text into one of the arrays above, cut to fit and ended by zero.
template <std::size_t N>
void set_text(std::array<char, N>& to, std::string_view from) {
  std::size_t length = from.copy(to.data(), N - 1);
  to[length] = '\0';
}

struct UnmapBoard {
  void operator()(PoolBoard* board) const;
};
using PoolBoardPtr = std::unique_ptr<PoolBoard, UnmapBoard>;
Result<PoolBoardPtr> make_board(std::uint32_t slots);

/// Bytes of memory that a board takes.
std::size_t board_size(std::uint32_t slots);

/// From here on this process can write to `board` through the view returned only. What stays
/// writable where it was is the part of `slot` that is its child's. That cannot be changed again,
/// not even by native code.
Result<PoolBoardPtr> seal_board(PoolBoard& board, std::uint32_t slot);

/// The same for the board of another pool, which nobody here writes to.
Status seal_board(PoolBoard& board);

inline constexpr std::int64_t kMillisecond = 1'000'000;  ///< ns
inline constexpr std::int64_t kSecond = 1000 * kMillisecond;
std::int64_t monotonic_ns();
std::int64_t realtime_ns();

}  // namespace lwc
