// SPDX-License-Identifier: Apache-2.0
// The contract between the daemon and the ways of making a throw-away child (docs/architecture.md).
//
// A snapshot is a place in the program: hold(). What ran before it ran once; every child returns
// from it with a job of its own, and is gone after end_child(). The daemon never learns how.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lwc/engine_traits.hpp"
#include "lwc/exchange.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

/// A snapshot's name within a pool. The base is 0; application snapshots count up and are never
/// used twice.
using SnapshotId = std::uint32_t;
inline constexpr SnapshotId kBaseSnapshot = 0;

/// What a child is made for.
struct Job {
  enum class Kind : std::uint32_t {
    Serve,    ///< answer the request on `connection`
    Prepare,  ///< run `spec` up to its snapshot point, then hold() as snapshot `snapshot`
  };
  Kind kind = Kind::Serve;
  SnapshotId snapshot = kBaseSnapshot;  ///< Serve: child of this one. Prepare: will be this one.
  int connection = -1;  ///< Serve: the accepted connection, owned by the child (-1 otherwise)
  std::string spec;     ///< Prepare: what to build, opaque to the engine
};

/// Addresses from `start`, page-aligned.
struct MemoryRange {
  void* start = nullptr;
  std::size_t size = 0;  ///< whole pages
};

/// How a child ended, seen from its server.
struct Outcome {
  enum class End : std::uint32_t {
    Done,         ///< end_child() was called
    Exited,       ///< left by exit() on its own; `status` is the exit status
    Fault,        ///< killed by signal `status`; exchange.fault tells more where it is known
    TimedOut,     ///< the deadline passed; the child was ended
    OutOfMemory,  ///< a memory cap was hit; the child was ended
    Lost,         ///< no child could be made; the request was not begun
  };
  End end = End::Done;
  int status = 0;
  /// The request has made processes, and they may have its connection. Only set by engines that
  /// see every way to make one.
  bool started_processes = false;
};

/// The daemon's side, called by an engine in the server's own context: never inside a child.
///
/// A holder's memory may be undone after every request (engine rollback). What a Server must
/// remember from one request to the next lives in memory it shares (MAP_SHARED) and in what
/// finished() sets.
class Server {
 public:
  virtual ~Server() = default;

  /// First call in a new holder: take the seat of worker slot `slot` for `snapshot`. `control`
  /// leads to the master, `inbox` is where other holders of the slot send work. Both are owned by
  /// the Server from here on.
  virtual void enter_slot(std::uint32_t slot, SnapshotId snapshot, UniqueFd control,
                          UniqueFd inbox) = 0;

  /// Blocks until this holder has a request to serve, or must stop (false). Work for another
  /// snapshot is handed on inside. The connection in `job` stays the Server's; the engine gives the
  /// child one of its own.
  virtual bool next(Job& job) = 0;

  /// The child is gone (or, for an engine that does not discard children, the request is over).
  virtual void finished(const Job& job, const Outcome& outcome) = 0;

  /// This holder cannot go on, for `reason`. The engine ends the process next, and the master puts
  /// a fresh one of the same snapshot in its place.
  virtual void retire(std::string_view /*reason*/) {}

  /// Time the current request may still take; zero: no limit.
  virtual std::chrono::milliseconds deadline() = 0;

  /// Whether a limit holds for the request as it is by now. Engines ask once more, maybe in a
  /// signal handler, when the time is over: a request whose answer is complete may be free to go
  /// on.
  virtual bool is_limited() { return true; }

  /// Memory shared between the slot's children and their server.
  virtual Exchange& exchange() = 0;

  /// A child asks for it (Engine::call_server()): act on what it has left in shared memory. As with
  /// all that is there, whatever has taken the child over may have written it, and may ask again.
  virtual void called() {}

  /// Called once in every child that is a process of its own, after server_descriptors() were
  /// closed there: give up what only a server does (signals).
  virtual void entered_child() = 0;

  /// Descriptors that are the server's: absent in a child that is a process of its own, left alone
  /// when a child in the same process is undone.
  virtual std::vector<int> server_descriptors() = 0;

  /// Those of them that a child in a process of its own keeps all the same.
  virtual std::vector<int> lent_descriptors() { return {}; }

  /// Called once in a holder whose children have an address space of their own (engine kernel),
  /// before the first: leaves what all processes share so that only the server can write to it, and
  /// returns the memory that is the server's alone. It is absent in the children.
  virtual Result<std::vector<MemoryRange>> withdraw_memory() { return std::vector<MemoryRange>{}; }

  /// Bytes of private memory that a child may write; zero: no limit. Asked by engines that
  /// limits_memory().
  virtual std::uint64_t memory_limit() const { return 0; }
};

/// What the master is told about an application snapshot that has come to its hold().
struct HoldOptions {
  SnapshotId id = kBaseSnapshot;
  std::string description;  ///< opaque to the engine; handed to the master with "ready"
  std::chrono::milliseconds check_every{0};  ///< how often `is_fresh` is asked; 0: never
  std::function<bool()>
      is_fresh;  ///< asked in the idle template; false: the master is told "stale"
  std::function<void()>
      in_holder;  ///< called once in every new holder, for what a process does not inherit (locks)
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual std::string_view name() const = 0;

  /// Children are gone after end_child() with everything they did. False for `none`: end_child()
  /// returns and the caller has to bring its own state back to the point of hold(), then call
  /// hold() again.
  virtual bool discards_children() const = 0;

  /// Keeps to Server::memory_limit().
  virtual bool limits_memory() const { return false; }

  /// Called while still privileged, before a pool changes its user: open what needs privilege.
  virtual Status acquire_privileges() { return ok(); }

  /// Makes the calling context a snapshot. Returns in every child, with the child's job; an error
  /// means that the snapshot could not be taken and nothing changed. In the context itself it does
  /// not return: a template or holder that is told to stop leaves by _exit(0).
  virtual Result<Job> hold(Server& server, const HoldOptions& options) = 0;

  /// In a child that hold() returned in: lets the server act (Server::called()) and comes back.
  /// Nothing happens where a child has itself what its server has.
  virtual void call_server() {}

  /// In a child whose limit holds no more (Server::is_limited()): where the end of its time would
  /// interrupt it, it does not come, and cuts no sleep() short.
  virtual void lift_deadline() {}

  /// Ends the child that hold() returned in.
  virtual void end_child() = 0;

  /// A child made for Job::Prepare could not reach its hold(): tells the master why and ends it.
  [[noreturn]] virtual void abandon(std::string_view reason) = 0;
};

/// What a machine offers, for `auto` and for lwc-fpm --probe.
struct EngineProbe {
  std::string name;
  bool available = false;
  std::string
      detail;  ///< the mechanism that would be used, or why not, in an administrator's words
  bool automatic = false;  ///< as in EngineTraits
};

/// Tries all engines, in the order of preference of `auto`.
std::vector<EngineProbe> probe_engines();

/// Why an engine was chosen, for the log.
struct EngineChoice {
  std::string detail;       ///< of the chosen one, as in EngineProbe
  std::string passed_over;  ///< what `auto` would have preferred, and why not; empty: nothing
};

/// Makes the engine `name` (kernel, rollback, fork, none, auto). `control` leads to the master
/// (template.hpp). An engine that cannot work here is an error, never another engine.
Result<std::unique_ptr<Engine>> make_engine(std::string_view name, UniqueFd control,
                                            EngineChoice* choice = nullptr);

/// Called once, in the process that all others are forked from, when it has loaded what they have
/// in common and knows nothing yet that only some of them may see. Large pieces of its memory are
/// then mapped, privately, from a sealed copy, and engine rollback needs no other copy of them in
/// any of those processes. Does nothing where that engine cannot work.
Status share_memory();

}  // namespace lwc
