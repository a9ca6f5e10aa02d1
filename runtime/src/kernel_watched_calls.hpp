// SPDX-License-Identifier: Apache-2.0
// The system calls of a child that its server wants to see before they are made.
#pragma once

#include <cstdint>
#include <span>

struct lwc_event;
struct lwc_regs;

namespace lwc {

/// A bitmap, as lwc_create(2) wants to have it: calls that change what a process has beside its
/// memory, files and credential (KernelProcessState::note()), and those that may end it.
std::span<const std::uint64_t> watched_calls();

/// Whether a trapped call is one of those above. If not, its number is of the 32-bit table or of
/// x32's, where it means another call, or of none.
bool is_watched(const lwc_event& call);

/// The signal that the call would send the calling process; 0: none. SIGKILL and SIGSTOP are those
/// that no context can contain.
int signal_to_self(const lwc_regs& call);

}  // namespace lwc
