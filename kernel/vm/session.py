# SPDX-License-Identifier: GPL-2.0-only
"""One run of a guest: starts QEMU, carries the command's streams, and collects how it ended."""

import fcntl
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty

PORTS = ("control", "stdin", "stdout", "stderr")
_ESCAPE = b"\x1d"  # Ctrl-]


class Outcome:
    """How a run ended. `status` is None when the guest never reported one."""

    def __init__(self):
        self.status = None
        self.tainted = 0
        self.leaks = []
        self.failure = None
        self.timed_out = False
        self.ready = None
        self.stopped = False


class Session:
    """QEMU connects to our sockets at its start, so nothing of the guest's output can be missed."""

    def __init__(self, command, scratch, timeout, use_tty):
        self._scratch = scratch
        self._timeout = timeout
        self._tty = use_tty
        self._outcome = Outcome()
        self._selector = selectors.DefaultSelector()
        self._ports = {}
        self._pending = b""
        self._sent = 0
        self._control_buffer = b""
        self._listeners = {name: self._listen(name) for name in PORTS}
        self._error = open(scratch / "qemu.err", "w+b")  # pylint: disable=consider-using-with
        self._start = time.monotonic()
        self._qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._error, stderr=self._error, start_new_session=True)

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._scratch / name))
        listener.listen(1)
        return listener

    def run(self):
        """Returns the Outcome; QEMU is gone afterwards, whatever happened."""
        saved = termios.tcgetattr(0) if self._tty else None
        try:
            if self._accept_all():
                if self._tty:
                    tty.setraw(0)
                    signal.signal(signal.SIGWINCH, lambda *_: self._send_window_size())
                self._loop()
        except KeyboardInterrupt:
            self._outcome.stopped = True
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
            self._end()
        return self._outcome

    def _accept_all(self):
        for name in PORTS:
            listener = self._listeners[name]
            listener.settimeout(0.1)
            while name not in self._ports:
                try:
                    self._ports[name] = listener.accept()[0]
                except TimeoutError:
                    if self._qemu.poll() is not None or time.monotonic() - self._start > 30:
                        self._outcome.failure = "QEMU did not start: " + self._qemu_error()
                        return False
            listener.close()
        for name in ("control", "stdout", "stderr"):
            self._selector.register(self._ports[name], selectors.EVENT_READ, name)
        self._watch_stdin()
        return True

    def _watch_stdin(self):
        try:
            if os.isatty(0) and not self._tty:
                raise PermissionError  # a terminal that the guest's command does not own: it would steal what is typed for the shell
            self._selector.register(0, selectors.EVENT_READ, "input")
        except PermissionError:
            if os.isatty(0) and not self._tty:
                self._end_input()
            else:
                self._feed_file()

    def _end_input(self):
        """Says after how many bytes the input ends. Closing the port instead would lose what QEMU has not read yet."""
        self._tell(f"eof {self._sent}")

    def _tell(self, line):
        try:
            self._ports["control"].sendall(line.encode() + b"\n")
        except OSError:
            pass  # the guest is gone, which the loop finds out

    def _feed_file(self):
        """Regular files and /dev/null cannot be polled, and need not be."""
        self._selector.register(self._ports["stdin"], selectors.EVENT_WRITE, "feed")

    def _loop(self):
        while self._selector.get_map():
            left = None
            if self._timeout:
                left = self._start + self._timeout - time.monotonic()
                if left <= 0:
                    self._outcome.timed_out = True
                    return
            for key, _ in self._selector.select(left):
                getattr(self, "_on_" + key.data)(key.fileobj)
            if not any(key.data in ("control", "stdout", "stderr") for key in self._selector.get_map().values()):
                return

    def _on_control(self, port):
        data = self._receive(port)
        *lines, self._control_buffer = (self._control_buffer + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "ready":
                self._outcome.ready = time.monotonic() - self._start
            elif word == "exit":
                self._outcome.status = int(rest)
            elif word == "signal":
                self._outcome.status = 128 + int(rest)
            elif word == "tainted":
                self._outcome.tainted = int(rest)
            elif word == "leak":
                self._outcome.leaks.append(rest)
            elif word == "failed":
                self._outcome.failure = "guest: " + rest

    def _receive(self, port):
        try:
            data = port.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(port)
        return data

    def _on_stdout(self, port):
        _write(1, self._receive(port))

    def _on_stderr(self, port):
        _write(2, self._receive(port))

    def _on_input(self, descriptor):
        """Reads no more than the guest has taken: until what was read is written, the input is not watched."""
        data = os.read(descriptor, 65536)
        if self._tty and _ESCAPE in data:
            raise KeyboardInterrupt
        self._selector.unregister(descriptor)
        if not data:
            self._end_input()
            return
        self._pending = data
        self._selector.register(self._ports["stdin"], selectors.EVENT_WRITE, "feed")

    def _on_feed(self, port):
        if not self._pending:
            self._pending = os.read(0, 65536)
            if not self._pending:
                self._selector.unregister(port)
                self._end_input()
                return
        try:
            sent = port.send(self._pending)
            self._sent += sent
            self._pending = self._pending[sent:]
        except (BrokenPipeError, ConnectionResetError):
            self._selector.unregister(port)
            return
        if self._pending:
            return
        self._selector.unregister(port)
        self._watch_stdin()

    def _send_window_size(self):
        rows, columns = window_size()
        self._tell(f"winsize {rows} {columns}")

    def _qemu_error(self):
        self._error.seek(0)
        return self._error.read().decode(errors="replace").strip() or f"exit status {self._qemu.poll()}"

    def _end(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._outcome.status is not None and not self._outcome.timed_out:
            try:
                self._qemu.wait(10)
            except subprocess.TimeoutExpired:
                pass
        if self._qemu.poll() is None:
            self._qemu.kill()
        self._qemu.wait()
        if self._outcome.status is None and not (self._outcome.failure or self._outcome.timed_out or self._outcome.stopped):
            self._outcome.failure = "the guest went down before the command ended"
            if self._qemu.returncode:
                self._outcome.failure += ": QEMU: " + self._qemu_error()
        self._error.close()


def window_size():
    """Rows and columns of our terminal."""
    return struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[:2]


def _write(descriptor, data):
    try:
        while data:
            try:
                data = data[os.write(descriptor, data):]
            except BlockingIOError:
                select.select([], [descriptor], [])
    except BrokenPipeError:
        sys.exit(141)
