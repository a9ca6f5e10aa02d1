// SPDX-License-Identifier: Apache-2.0
// What php-sapi must know and change of opcache's per-process state. opcache exports nothing; its
// ini entries point into its globals, and their layout is that of PHP 8.2, checked at start.
#pragma once

#include "php.hpp"

namespace lwc::php {

/// Finds opcache's globals and lock file. After module start-up, once.
void find_opcache();

/// opcache is loaded, started and its globals were found.
bool opcache_works();

/// opcache.validate_timestamps: scripts are compared with their files.
bool opcache_validates();

/// opcache.revalidate_freq in seconds.
long opcache_revalidate_freq();

/// Takes opcache's usage lock for this process: shared memory is not restarted while it is held.
/// The lock is the process's: a forked one has to take its own.
void hold_opcache();

/// At the end of a request whose memory is thrown away: gives back the locks that it took in this
/// process. `keep_usage_lock`: it began at a snapshot, and the lock is the snapshot's.
void release_opcache(bool keep_usage_lock);

/// A restart of the shared memory was asked for (opcache_reset(), out of memory) and waits for
/// everybody's usage lock. Asks PHP, which may warn and bail out: only where that is caught.
bool opcache_restart_pending();

/// Makes the time of the current request the one that scripts' timestamps are revalidated by, and
/// forgets what was remembered of the include before.
void renew_opcache(long request_time);

/// What opcache does at the beginning of every request (its RINIT): a restart of the shared memory
/// that is due is made there.
void begin_opcache_request();

/// The current request compiles for itself, without shared memory.
void disable_opcache();

}  // namespace lwc::php
