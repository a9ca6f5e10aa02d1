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

/// 0: the call may be made. Otherwise what it is answered with instead, -errno. Refused are numbers
/// of another table (32-bit, x32), by which calls could be made unseen, and calls that reach beyond
/// the request: a process that is no child of this one, the priority or the limits of others.
long refusal(const lwc_event& call);

/// What a call would do to the calling process by a signal that no context contains.
enum class End { None, Killed, Stopped };
End end_by_signal(const lwc_regs& call);

}  // namespace lwc
