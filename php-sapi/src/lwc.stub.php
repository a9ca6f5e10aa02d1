<?php
// SPDX-License-Identifier: Apache-2.0
/** @generate-function-entries */

/**
 * Marks the point from which requests are served.
 *
 * What ran before it runs once, in a warm-up without a client; every request for the same script
 * then begins here, in a process state of its own, with its own superglobals, input, headers, time,
 * random numbers and limits. Under php-fpm the function does not exist: guard it with
 * function_exists('lwc_snapshot').
 *
 * The snapshot is refused, and the log says why, while a socket, database connection, file or pipe
 * is open, while a child process or thread runs, and outside the plain flow of the script: in
 * shutdown functions, destructors, output handlers, generators and fibers.
 *
 * @return bool true in a request that began at the snapshot, false where there is none (yet).
 */
function lwc_snapshot(): bool {}

/** Whether this is a warm-up: there is no client, and the output goes to nobody. */
function lwc_warming_up(): bool {}

/** Whether this request began at lwc_snapshot(). */
function lwc_in_child(): bool {}

/**
 * Calls $callback in every request that begins at lwc_snapshot(), before that function returns, for
 * example to seed a generator or to replace a token that was made before the snapshot. Elsewhere
 * $callback is never called.
 */
function lwc_on_resume(callable $callback): void {}

/**
 * What this request was made from: script (path), engine (kernel, rollback, fork or none), snapshot
 * (its number), created (Unix time, float), files (how many the snapshot was made of), pid (of the
 * process that serves this request).
 *
 * @return array<string, string|int|float>|null null in a request that did not begin at a snapshot.
 */
function lwc_snapshot_info(): ?array {}
