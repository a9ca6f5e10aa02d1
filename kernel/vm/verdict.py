# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel had to say during a run: finds the lines of its log that mean a defect."""

import re

# Each alternative opens a report. Plain remarks ("warning: `x' uses ...") are lower case in the kernel and do not match.
_REPORT = re.compile("|".join((
    r"\bBUG:", r"\bBUG at\b", r"kernel BUG", r"\bBUG \S+ \(", r"\bWARNING: ", r"\bOops\b", r"Kernel panic", r"\bKASAN:", r"\bUBSAN:", r"\bKFENCE:",
    r"\bKCSAN:", r"general protection fault", r"double fault", r"unable to handle", r"invalid opcode: ", r"divide error: ",
    r"bad_page", r"Bad page ", r"Bad rss-counter", r"non-zero pgtables_bytes", r"INFO: task .* blocked for more than", r"INFO: lockdep is turned off",
    r"INFO: trying to register non-static key", r"INFO: rcu_\S+ detected", r"rcu: INFO:", r"soft lockup", r"hard LOCKUP", r"scheduling while atomic",
    r"sleeping function called", r"suspicious RCU usage", r"circular locking dependency", r"recursive locking detected", r"lock-order-unsafe|inconsistent lock state",
    r"bad unlock balance", r"held lock freed", r"lock held when returning to user space", r"still has locks held", r"unreferenced object", r"new suspected memory leaks",
    r"refcount_t: ", r"list_(add|del) corruption", r"ODEBUG:", r"page_table_check", r"stack-protector", r"[Cc]orrupted (stack|page table)", r"VFS: Busy inodes",
    r"page allocation failure", r"Unbalanced|imbalance")))
_TRACE = re.compile(r"Call Trace:")
# A trace that belongs to something a program may bring about lawfully: the out-of-memory killer explains itself with one.
_LAWFUL_TRACE = re.compile(r"invoked oom-killer")
_LOOK_BACK = 12
_EXCERPT = 45

# Documentation/admin-guide/tainted-kernels.rst
_TAINTS = {1: "forced module", 4: "machine check", 5: "bad page", 7: "oops", 9: "warning", 11: "firmware bug", 14: "soft lockup"}


def complaints(log):
    """Returns the excerpts of `log`, one for each report in it; an empty list means a clean log."""
    lines = log.splitlines()
    excerpts = []
    position = 0
    while position < len(lines):
        line = lines[position]
        trace = _TRACE.search(line) and not any(map(_LAWFUL_TRACE.search, lines[max(0, position - _LOOK_BACK):position]))
        if trace or _REPORT.search(line):
            start = max(0, position - (_LOOK_BACK if trace else 1))
            end = min(len(lines), position + _EXCERPT)
            excerpts.append("\n".join(lines[start:end]))
            position = end
        else:
            position += 1
    return excerpts


def taints(value):
    """Names of the taint flags in `value` that mean a defect."""
    return [name for bit, name in _TAINTS.items() if value & (1 << bit)]
