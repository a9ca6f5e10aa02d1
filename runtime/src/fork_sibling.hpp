// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

namespace lwc {

/// fork(), but the new process becomes a child of the caller's parent: a template's offspring are
/// the master's children, so that the master is the one who learns how each of them ended. Only for
/// single-threaded callers; pthread_atfork handlers do not run. Returns as fork() does.
pid_t fork_sibling();

}  // namespace lwc
