// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>

#include <string>

#include "lwc/exchange.hpp"
#include "lwc/result.hpp"

namespace lwc {

/// From here on a fatal signal of this thread (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS)
/// fills `exchange.fault` and then takes its default course, core dump included. Runs on a stack of
/// its own, so that an overflown stack is reported too. Survives fork. Allocates nothing after
/// installation.
Status install_fault_handler(Exchange& exchange);

/// Fills `report` from what a signal handler was given (`context` is its ucontext_t).
void record_fault(FaultReport& report, int signal, const siginfo_t& info, void* context);

/// "SIGSEGV (invalid address 0x0) at zif_foo+0x1c in /usr/lib/php/...", then one line per frame.
/// For the process that the fault happened in, or one forked from the same template.
std::string describe_fault(const FaultReport& report);

}  // namespace lwc
