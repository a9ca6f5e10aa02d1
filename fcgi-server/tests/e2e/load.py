# SPDX-License-Identifier: Apache-2.0
"""Clients that ask in a loop while something is done to the daemon."""

import threading

from harness.fastcgi import ConnectionClosed, ProtocolError
from harness.processes import wait_until

from .served import PATIENCE


class Load:
    """Clients that ask in a loop; what was not answered properly is kept. A refused connection is not a lost
    request: its client knows that nothing was begun."""

    def __init__(self, served, script, expected, clients=4):
        self.served, self.script, self.expected = served, script, expected
        self.answers, self.refused, self.lost = 0, 0, []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self):
        while not self._end.is_set():
            try:
                connection = self.served.connect(timeout=PATIENCE)
            except OSError:
                self.refused += 1
                if self._end.wait(0.01):
                    return
                continue
            with connection:
                try:
                    connection.send_request(self.served.params(self.script))
                    answer = connection.read_response()
                    if answer.status != 200 or answer.text not in self.expected:
                        self.lost.append(answer)
                    self.answers += 1
                except (OSError, ConnectionClosed, ProtocolError) as error:
                    self.lost.append(repr(error))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        assert wait_until(lambda: self.answers > 20, PATIENCE)
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, more=50):
        """Waits for more answers."""
        target = self.answers + more
        assert wait_until(lambda: self.answers > target, PATIENCE), self.served.daemon.logs()


def reload_and_wait(served):
    """Sends SIGUSR2 and waits until the new generation says that it is ready."""
    before = served.daemon.log().count("ready to handle connections")
    served.daemon.reload()
    assert wait_until(lambda: served.daemon.log().count("ready to handle connections") > before, PATIENCE), \
        served.daemon.logs()
