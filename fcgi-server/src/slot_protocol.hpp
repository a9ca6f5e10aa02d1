// SPDX-License-Identifier: Apache-2.0
// Message kinds between the holders of a slot, and between a holder and the master.
#pragma once

#include <cstdint>

namespace lwc {

enum class SlotMessage : std::uint32_t {
  // holder -> master, on the slot's control socket. Only the holder with the baton speaks.
  NeedLink = 200,  ///< snapshot: where is this slot's holder of it? Answered by Link or NoLink.
  WantSnapshot,    ///< text: the parameters of a request whose script called lwc_snapshot()
  Output,          ///< pid; descriptors: where to read its standard output and error
  NeedLog,         ///< where is the access log, since it was opened anew? Answered by Log
  LostPriority,    ///< somebody has changed this process's; PoolBoard::priority_rounds answers
  // master -> holder
  Link,    ///< snapshot; descriptor: the sending end of that holder's inbox
  NoLink,  ///< there is no such snapshot (any more)
  Log,     ///< descriptor: the access log
  // holder -> holder, master -> base holder, on an inbox
  Baton,  ///< serve the slot from here on; with a descriptor: begin with the request on this
          ///< connection
  // master -> holder, on an inbox
  Recover,  ///< number: serve the slot if the baton is still on its way here under that number: its
            ///< sender died before it had sent it
};

/// How long a holder waits for the master's answer. The master waits for nobody while it serves: it
/// answers at once unless the machine is too busy to let it, or it reloads
/// (PoolBoard::master_answers).
inline constexpr int kAnswerTimeoutMs = 10'000;
inline constexpr int kAnswerLookMs = 50;  ///< how often it looks whether the master reloads

}  // namespace lwc
