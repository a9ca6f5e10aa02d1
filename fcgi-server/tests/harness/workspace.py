# SPDX-License-Identifier: Apache-2.0
"""A temp dir with the daemons that live in it."""

import os
import shutil
import tempfile
from pathlib import Path

from .processes import Leak, become_subreaper, process_tree, reap_orphans


class Workspace:
    """A context manager. The directory is short (Unix socket paths end at 107 bytes) and open to the pool's user.

    Set LWC_KEEP=1 in the environment to keep the directory, logs and all, for a look at it afterwards.
    """

    grace = 20  # seconds that processes have for their end when their daemon is gone

    def __init__(self):
        become_subreaper()
        self.path = Path(tempfile.mkdtemp(prefix="lwc-"))
        self.path.chmod(0o755)
        self.services = []
        self._names = set()
        self._before = {pid for pid, stat in process_tree().items() if stat[0] == os.getpid()}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            self.stop_all()
        finally:
            if os.environ.get("LWC_KEEP") != "1":
                shutil.rmtree(self.path, ignore_errors=True)
        return False

    def unique_name(self, name):
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = f"{name}{number}"
        self._names.add(unique)
        return unique

    def adopt(self, service):
        if service not in self.services:
            self.services.append(service)

    def disown(self, service):
        if service in self.services:
            self.services.remove(service)
        self._names.discard(service.name)

    def stop_all(self):
        """Stops every service, then looks for processes that should not be there."""
        problems = []
        for service in reversed(list(self.services)):
            try:
                service.stop()
            except Leak as leak:
                problems.append(str(leak))
        problems += [f"orphan {who}" for who in self.orphans()]
        if problems:
            raise Leak("; ".join(problems))

    def orphans(self):
        """Processes that lost their daemon; they are killed. Call it while daemons run, or after."""
        return reap_orphans({service.pid for service in self.services}, self._before, self.grace)

    def write(self, name, text, mode=0o644):
        """Writes a file below the workspace; its path."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path
