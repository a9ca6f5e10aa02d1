# SPDX-License-Identifier: Apache-2.0
"""All cases, and the lines that there must be cases for."""

from .case import Table
from .cases_php import php
from .cases_process import process

LINES = """ini_set; set_time_limit; error_reporting; error/exception handlers; shutdown functions; autoloaders; constants;
classes; functions; static and global variables; static properties; class aliases; stream wrappers; filters; contexts;
output handlers; assert options; putenv; setlocale; date.timezone; mb_* and iconv encodings; libxml settings; textdomain;
bcscale; precision; mt_srand; srand; gc settings; umask; chdir; open files and offsets; temp files; flock; sockets;
persistent streams (pfsockopen); PDO persistent; curl share handles; pcntl handlers; alarms; posix limits; nice;
child processes left behind; zombie children; FFI writes to libc globals; ignore_user_abort; headers;
http_response_code; session state; uploaded files; $_SERVER injections; PHP_VALUE of the request before; memory peak;
memory limit; huge allocations; mmaps by extensions; realpath cache; spl_autoload order; opcache_reset in a request;
fatal error in a destructor; exit in a shutdown function; segfault; stack overflow; out of memory; endless loop"""
LINES = [line.strip() for line in LINES.replace("\n", " ").split(";")]

MATRIX = Table.joined(php, process)
