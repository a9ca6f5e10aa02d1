# SPDX-License-Identifier: GPL-2.0-only
"""kernel/vm/run keeps its promises. The kernel is the one named by LWC_TEST_KERNEL, else lwc."""

import fcntl
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import termios
import time
import urllib.request

import pytest

RUN = pathlib.Path(__file__).resolve().parent.parent / "run"
KERNEL = os.environ.get("LWC_TEST_KERNEL", "lwc")
BOUND = 300  # seconds after which a run of these tests has hung


def run(*arguments, kernel=KERNEL, **options):
    command = [RUN, "--kernel", kernel, "--no-leak-check", "--timeout", str(BOUND), *arguments]
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(word) for word in command], capture_output=True, timeout=BOUND + 60, check=False, **options)


def shell(script, *arguments, **options):
    return run(*arguments, "--", "sh", "-c", script, **options)


def children_named(pid, name):
    """Process ids of the children of `pid` whose program is `name`."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = entry.read_text(encoding="utf-8").rpartition(")")
        except OSError:
            continue
        if head.partition("(")[2].startswith(name) and int(rest.split()[1]) == pid:
            found.append(int(entry.parent.name))
    return found


def wait_until(condition):
    for _ in range(BOUND * 10):
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def test_streams_status_and_directory(tmp_path):
    done = shell("echo out; echo error >&2; pwd; exit 7", cwd=tmp_path)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (7, f"out\n{tmp_path}\n", "error\n")


def test_binary_input_comes_back_unchanged():
    data = os.urandom(3_000_001)
    done = run("--", "cat", input=data, stdin=None)
    assert done.returncode == 0 and done.stdout == data


def test_a_signal_is_reported_as_shells_do():
    assert shell("kill -SEGV $$").returncode == 128 + signal.SIGSEGV


def test_a_missing_command_is_127():
    done = run("--", "no-such-program")
    assert done.returncode == 127 and b"no-such-program" in done.stderr


@pytest.mark.parametrize("option, value", [("--cpus", "0"), ("--mem", "2X"), ("--timeout", "-3"), ("--port", "99999:80"), ("--log", "/nonexistent/log")])
def test_options_that_are_not_valid_start_no_guest(option, value):
    done = run(option, value, "--", "true")
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"error: argument {option}: {value}: ".encode() in done.stderr


def test_what_the_guest_writes_is_gone_unless_shared(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    done = shell("echo kept > shared/kept; echo lost > lost; cat shared/kept lost", "--write", shared, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"kept\nlost\n")
    assert (shared / "kept").read_text(encoding="utf-8") == "kept\n"
    assert not (tmp_path / "lost").exists()


def test_only_named_variables_are_passed_on():
    done = shell("echo ${SECRET-unset} $GIVEN $KEPT", "--env", "GIVEN=given", "--env", "KEPT", env=dict(os.environ, SECRET="s", KEPT="kept"))
    assert done.stdout == b"unset given kept\n"


def test_a_process_left_behind_does_not_hold_the_guest():
    done = shell("sleep 100000 & echo done")
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_the_time_limit_ends_a_guest():
    done = run("--timeout", 15, "--", "sleep", 100000)
    assert done.returncode == 124 and b"killed after 15 s" in done.stderr


def test_a_panic_is_told_with_its_log():
    done = shell("echo c > /proc/sysrq-trigger")
    assert done.returncode == 126 and b"sysrq triggered crash" in done.stderr


def test_a_success_does_not_hide_the_kernels_complaint(tmp_path):
    done = shell("echo '<4>WARNING: CPU: 0 PID: 1 at kernel/x.c:1 x+0x1/0x2' > /dev/kmsg; echo fine", "--log", tmp_path / "log")
    assert (done.returncode, done.stdout) == (125, b"fine\n")
    assert b"kernel/x.c:1" in done.stderr and "kernel/x.c:1" in (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize("crash", ["WARNING", "SLAB_LINEAR_OVERFLOW", "SPINLOCKUP", "READ_AFTER_FREE"])
def test_real_defects_are_found_on_the_debug_kernel(crash):
    """lkdtm brings them about; SPINLOCKUP takes a lock twice, which lockdep sees before the processor is stuck in it."""
    done = shell(f"timeout 5 sh -c 'echo {crash} > /sys/kernel/debug/provoke-crash/DIRECT' & sleep 6", "--timeout", 60, kernel="lwc-debug")
    assert done.returncode in (124, 125, 126) and b"the kernel complained" in done.stderr


def test_a_leak_is_found_on_the_debug_kernel():
    """lkdtm's test of the allocator's limits keeps nothing, so a clean run must stay clean with the scan on."""
    done = subprocess.run([RUN, "--kernel", "lwc-debug", "--timeout", str(BOUND), "--", "true"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def unused_port():
    """One that nobody has, below those that the kernel gives to clients, any of whom could take it before the guest's is there."""
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def test_a_port_of_the_guest_is_reachable():
    port = unused_port()
    command = [RUN, "--kernel", KERNEL, "--no-leak-check", "--timeout", str(BOUND), "--port", f"{port}:8000", "--", "python3", "-m", "http.server", "8000"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as guest:
        try:
            def fetch():
                try:
                    return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read()
                except OSError:
                    return None
            assert b"Directory listing" in wait_until(fetch)
        finally:
            guest.send_signal(signal.SIGINT)
        assert guest.wait(60) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_guest_survives_its_runner(number, tmp_path):
    """A runner that is killed cannot remove its scratch directory, hence TMPDIR; one that is stopped leaves nothing."""
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    with subprocess.Popen([RUN, "--kernel", KERNEL, "--", "sleep", "100000"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as guest:
        (machine,) = wait_until(lambda: children_named(guest.pid, "qemu-system"))
        guest.send_signal(number)
        guest.wait(60)
    wait_until(lambda: not pathlib.Path(f"/proc/{machine}").exists())
    assert number == signal.SIGKILL or not list(tmp_path.iterdir())


class Terminal:
    """kernel/vm/run --shell on a terminal of its own."""

    def __init__(self, rows, columns):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        command = [str(RUN), "--kernel", KERNEL, "--no-leak-check", "--timeout", str(BOUND), "--shell"]
        self.run = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,  # pylint: disable=consider-using-with
                                    env=dict(os.environ, SHELL="/bin/sh"))
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def see(self, text):
        """Reads until `text` was shown."""
        shown = b""
        while text.encode() not in shown:
            shown += os.read(self.master, 4096)
        return shown

    def mode(self):
        return termios.tcgetattr(self.master)[3]


def test_a_shell_on_a_terminal():
    terminal = Terminal(33, 101)
    before = terminal.mode()
    terminal.see("# ")
    terminal.type("stty size; tty; echo $((6 * 7))\n")
    shown = terminal.see("42")
    assert b"33 101" in shown and b"/dev/pts/0" in shown
    terminal.resize(20, 60)
    terminal.run.send_signal(signal.SIGWINCH)
    terminal.type("until stty size | grep '20 60'; do :; done\n")
    terminal.see("20 60\r\n")
    # Ctrl-C is the guest's: it ends what runs there, not the guest.
    terminal.type("sh -c 'echo $((40 + 3)); exec sleep 100000'\n")
    terminal.see("43")
    terminal.type("\3")
    terminal.type("echo still $((1 + 1)) here\n")
    terminal.see("still 2 here")
    terminal.type("exit 3\n")
    assert terminal.run.wait(60) == 3
    assert terminal.mode() == before


def test_a_shell_is_ended_by_its_escape():
    terminal = Terminal(24, 80)
    terminal.see("# ")
    terminal.type("\x1d")
    assert terminal.run.wait(60) == 130


def test_swap_space_is_there():
    done = run("--swap", "64M", "--", "cat", "/proc/swaps")
    assert done.returncode == 0 and b"partition\t65532" in done.stdout
