# SPDX-License-Identifier: Apache-2.0
"""Keeping workers busy, and asking the status page meanwhile. For pools with pm.status_path = /status."""

import json
import threading

from harness.fastcgi import Connection
from harness.processes import wait_until

from .served import PATIENCE


def own_page(served, name="/status", query="", method="GET", address=None, script=None):
    """The answer to a request for a page that no file stands for."""
    params = served.params(script or f"{served.root}{name}", method=method, query=query, SCRIPT_NAME=name,
                           REQUEST_URI=name + (f"?{query}" if query else ""))
    with Connection(address or served.address, timeout=PATIENCE) as connection:
        connection.send_request(params)
        return connection.read_response()


def status(served, query="json&full", **more):
    answer = own_page(served, query=query, **more)
    assert answer.status == 200, answer.stdout
    return json.loads(answer.body)


def wait_for_status(served, wanted, **more):
    """The first status of which `wanted` holds."""
    seen = []
    assert wait_until(lambda: seen.append(status(served, **more)) or wanted(seen[-1]), PATIENCE), seen[-1]
    return seen[-1]


class Busy:
    """Requests of a script that waits until it is let go."""

    def __init__(self, served, count, **more):
        self.served = served
        self.go = served.file("go")
        self.go.unlink(missing_ok=True)
        self.script = served.script(f"while (!file_exists('{self.go}')) {{ usleep(2000); clearstatcache(); }} echo 'ok';")
        more = {"timeout": 10 * PATIENCE} | more  # they last as long as what is done meanwhile
        self.threads = [threading.Thread(target=served.get, args=(self.script,), kwargs=more) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.go.write_text("1")
        for thread in self.threads:
            thread.join()
