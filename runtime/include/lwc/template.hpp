// SPDX-License-Identifier: Apache-2.0
// The master's side of template processes (see runtime/src/process_engine.hpp for the other side).
//
// A template is a paused process that holds one snapshot for a whole pool. On command it forks
// holders (one per worker slot that needs the snapshot) and, the base template only, processes that
// prepare further snapshots. All of them are children of the master.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lwc/engine.hpp"
#include "lwc/result.hpp"
#include "lwc/unique_fd.hpp"

namespace lwc {

/// What a template tells the master.
struct TemplateEvent {
  enum class Kind : std::uint32_t {
    Ready,      ///< `snapshot` is held; `text` is HoldOptions::description
    Failed,     ///< the snapshot could not be prepared; `text` says why
    Stale,      ///< what the snapshot was made of has changed
    Spawned,    ///< a holder for `slot` was forked: process `pid`
    Preparing,  ///< a process for `snapshot` was forked: process `pid`
    Refused,    ///< a fork failed; `text` says why
    Gone,       ///< the template has closed its end
  };
  Kind kind = Kind::Gone;
  SnapshotId snapshot = 0;
  std::uint32_t slot = 0;
  pid_t pid = 0;
  std::string text;
};

/// A pair of connected descriptors for one template: `master` stays, `other` goes to make_engine().
struct ControlPair {
  UniqueFd master;
  UniqueFd other;
};
Result<ControlPair> make_control_pair();

/// From a process that was to become a template and cannot: tells the master why. Its engine does
/// the rest (Engine::abandon) once there is one.
void report_failure(int control, std::string_view reason);

class TemplateHandle {
 public:
  TemplateHandle() = default;
  explicit TemplateHandle(UniqueFd control) : control_(std::move(control)) {}

  int fd() const { return control_.get(); }
  explicit operator bool() const { return static_cast<bool>(control_); }

  /// Asks for a holder of worker slot `slot`. The descriptors are passed on to Server::enter_slot()
  /// there.
  Status spawn(std::uint32_t slot, int slot_control, int inbox) const;

  /// Asks the base template to prepare snapshot `id` from `spec`. `other` is the new template's end
  /// of its control.
  Status prepare(SnapshotId id, std::string_view spec, int other) const;

  /// Tells the template to end. What it has still to say can be received until it is Gone.
  void dismiss() const;

  /// The next event, if one is there. Does not block.
  std::optional<TemplateEvent> receive() const;

 private:
  UniqueFd control_;
};

}  // namespace lwc
