# SPDX-License-Identifier: GPL-2.0-only
"""How fast this machine's time stamp counter runs, which is also the emulated guest's.

A guest without ACPI has nothing to measure it against but a timer that emulation makes useless, so it is told.
"""

import ctypes
import mmap
import time

# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
_CODE = bytes.fromhex("0f3148c1e2204809d0c3")
_SPAN_NS = 50_000_000


def frequency_khz():
    """Measured over a twentieth of a second, against the monotonic clock."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_CODE)
    holder = ctypes.c_char.from_buffer(page)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(holder))
    start, ticks = time.monotonic_ns(), read()
    while time.monotonic_ns() - start < _SPAN_NS:
        time.sleep(0.01)
    ticks, span = read() - ticks, time.monotonic_ns() - start
    return ticks * 1_000_000 // span
