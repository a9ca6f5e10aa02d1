# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's log is read right: what means a defect is found, what does not is left alone."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import verdict  # noqa: E402  pylint: disable=wrong-import-position

# As kernels print them.
DEFECTS = (
    "[   12.345678] ------------[ cut here ]------------\n[   12.345680] WARNING: CPU: 0 PID: 77 at kernel/lwc/switch.c:12 lwc_switch+0x1/0x2",
    "[    3.0] BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "[    3.0] kernel BUG at mm/rmap.c:1234!",
    "[    3.0] Oops: Oops: 0002 [#1] SMP",
    "[    3.0] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1]",
    "[    3.0] BUG: KASAN: slab-use-after-free in lwc_put+0x10/0x20",
    "[    3.0] WARNING: possible circular locking dependency detected",
    "[    3.0] WARNING: possible recursive locking detected",
    "[    3.0] WARNING: suspicious RCU usage",
    "[    3.0] WARNING: lock held when returning to user space!",
    "[    3.0] BUG: sleeping function called from invalid context at kernel/locking/mutex.c:1",
    "[    3.0] BUG: scheduling while atomic: a.out/70/0x00000002",
    "[    3.0] BUG: Bad page state in process a.out  pfn:01234",
    "[    3.0] BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1",
    "[    3.0] BUG: non-zero pgtables_bytes on freeing mm: 4096",
    "[   90.0] INFO: task a.out:77 blocked for more than 60 seconds.",
    "[   90.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
    "[   90.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [a.out:77]",
    "[    3.0] refcount_t: underflow; use-after-free.",
    "[    3.0] list_del corruption. prev->next should be 1, but was 2",
    "[    3.0] ODEBUG: free active (active state 0) object: 1 object type: timer_list",
    "[    3.0] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "[    3.0] Kernel panic - not syncing: Attempted to kill init!",
    "[    3.0] a.out: page allocation failure: order:9",
    "[    3.0] something odd\n[    3.0] Call Trace:\n[    3.0]  dump_stack_lvl+0x1/0x2",
)

HARMLESS = (
    "[    0.0] Booting paravirtualized kernel on bare hardware",
    "[    0.0] Warning: unable to open an initial console.",
    "[    0.0] warning: `a.out' uses wireless extensions",
    "[    0.0] AMD-Vi: AMD IOMMUv2 functionality not available on this system - This is not a bug.",
    "[    3.0] a.out[77]: segfault at 8 ip 0000000000401000 sp 00007ffc error 6 in a.out[401000+1000]",
    "[    3.0] traps: a.out[77] general protection ip:401000 sp:7ffc error:0 in a.out[401000+1000]",
    "[    3.0] a.out invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n[    3.0] CPU: 0 PID: 77 Comm: a.out\n[    3.0] Call Trace:\n[    3.0]  dump_stack_lvl+0x1/0x2",
    "[    3.0] Memory cgroup out of memory: Killed process 77 (a.out) total-vm:1kB",
    "[    0.0] calibrate_delay_direct() failed to get a good estimate for loops_per_jiffy.",
    "[    0.0] debug: unmapping init [mem 0x1-0x2]",
    "[    9.0] reboot: Restarting system",
)


@pytest.mark.parametrize("log", DEFECTS)
def test_a_defect_is_reported(log):
    around = "[    0.0] Linux version\n" + log + "\n[    9.9] reboot: Restarting system\n"
    (report,) = verdict.complaints(around)
    assert log.splitlines()[-1] in report


@pytest.mark.parametrize("log", HARMLESS)
def test_a_remark_is_not(log):
    assert verdict.complaints(log + "\n") == []


def test_two_defects_far_apart_are_two_reports():
    filler = "".join(f"[    4.0] line {number}\n" for number in range(100))
    assert len(verdict.complaints(DEFECTS[0] + "\n" + filler + DEFECTS[1] + "\n")) == 2


def test_taint_flags_of_defects_are_named():
    assert verdict.taints(1 << 9 | 1 << 7) == ["oops", "warning"]
    assert verdict.taints(1 << 0 | 1 << 12) == []
