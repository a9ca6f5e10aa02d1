# SPDX-License-Identifier: Apache-2.0
"""Plays systemd's part: holds listening sockets for a daemon, starts it with them, and hears its notifications.

It follows sd_listen_fds(3) and sd_notify(3), so that a daemon cannot tell the difference.
"""

import os
import socket
import threading

from .daemons import LwcFpm
from .processes import end_with_parent

FIRST_FD = 3
# LISTEN_PID must be the daemon's own pid, which only the process that becomes the daemon knows.
BECOME = ["/bin/sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"', "sh"]


class ServiceManager:
    """Units that are started in `space` are this manager's: `ServiceManager(space)` makes it `space.manager`."""

    def __init__(self, space, watchdog_usec=None, address=None):
        space.manager = self
        self.watchdog_usec = watchdog_usec
        self.sockets = []  # (name, socket)
        self.messages = []  # one dict for each datagram
        self.address = str(address or space.path / "notify.sock")
        self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inbox.bind(self.address)
        os.chmod(self.address, 0o666)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            text = self._inbox.recv(65536).decode()
            self.messages.append(dict(line.split("=", 1) for line in text.splitlines()))

    def listen(self, where, name="lwc-fpm.socket", kind=socket.SOCK_STREAM):
        """A listening socket, as ListenStream= makes it; where: a path or (host, port). Its address."""
        made = socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET, kind)
        made.bind(where)
        if kind == socket.SOCK_STREAM:
            made.listen(128)
        if isinstance(where, str):
            os.chmod(where, 0o666)
        self.sockets.append((name, made))
        return made.getsockname()

    def heard(self, key, value=None):
        """The messages that have this key, and this value if one is given."""
        return [one for one in list(self.messages) if key in one and value in (None, one[key])]

    def close(self):
        for _, one in self.sockets:
            one.close()


class ManagedFpm(LwcFpm):
    """lwc-fpm as a unit of Type=notify, with the sockets that `space.manager` holds at its start."""

    def __init__(self, space, *pools, **more):
        super().__init__(space, *pools, **more)
        self.manager = space.manager
        self.environment["NOTIFY_SOCKET"] = self.manager.address
        if self.manager.watchdog_usec:
            self.environment["WATCHDOG_USEC"] = str(self.manager.watchdog_usec)

    def command(self):
        return BECOME + super().command()

    def launch(self):
        count = len(self.manager.sockets)
        if count:
            self.environment |= {"LISTEN_FDS": str(count),
                                 "LISTEN_FDNAMES": ":".join(name for name, _ in self.manager.sockets)}
        self.process_options = {"preexec_fn": self._place_sockets,
                                "pass_fds": range(FIRST_FD, FIRST_FD + count)}
        return super().launch()

    def _place_sockets(self):
        end_with_parent()
        # Copied out of the way first: one of them may have the number of another's place.
        copies = [os.dup(one.fileno()) for _, one in self.manager.sockets]
        high = [os.dup2(copy, 200 + i) for i, copy in enumerate(copies)]
        for i, copy in enumerate(high):
            os.dup2(copy, FIRST_FD + i, inheritable=True)

