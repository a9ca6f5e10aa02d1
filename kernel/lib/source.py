# SPDX-License-Identifier: GPL-2.0-only
"""The kernel tree: Debian's source with kernel/files laid over it and kernel/patches applied.

Debian's tree is unpacked once. A workspace is a tree of hard links to it, in which the files that are ours or patched are files of their own.
Those are replaced only when their content changes, so that make rebuilds what changed and nothing else. A workspace also holds the object
directories. Each checkout keeps its own; a new checkout takes over the workspace of one that no longer exists, and what was built with it.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from common import CACHE, KERNEL, ToolError, installed_version, locked, need, note, run

SERIES = "6.12"
PACKAGE = f"linux-source-{SERIES}"
TARBALL = pathlib.Path(f"/usr/src/{PACKAGE}.tar.xz")


def version():
    """The Debian version of the kernel source, which is installed if it is missing."""
    need(PACKAGE, "xz-utils", "patch")
    found = installed_version(PACKAGE)
    tested = (KERNEL / "BASE").read_text(encoding="utf-8").strip()
    if found != tested:
        note(f"{PACKAGE} is {found}; last tested with {tested}")
    return found


def pristine(source_version):
    """Debian's tree, unpacked."""
    tree = CACHE / f"source-{source_version}"
    with locked(CACHE / "source.lock"):
        if tree.exists():
            return tree
        note(f"unpacking {PACKAGE} {source_version}")
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix="unpack-") as scratch:
            run(["tar", "-C", scratch, "-xf", TARBALL])
            (pathlib.Path(scratch) / PACKAGE).rename(tree)
    return tree


def patches():
    return sorted((KERNEL / "patches").glob("*.patch"))


def added_files():
    """Relative paths of kernel/files."""
    base = KERNEL / "files"
    return sorted(path.relative_to(base) for path in base.rglob("*") if path.is_file() and not path.name.startswith("."))


def _patched_paths(patch):
    for line in patch.read_text(encoding="utf-8").splitlines():
        found = re.match(r"(?:---|\+\+\+) [ab]/(\S+)", line)
        if found:
            yield pathlib.Path(found[1])


def _apply(patch, scratch, source_version):
    done = subprocess.run(["patch", "-p1", "-F0", "--force", "--no-backup-if-mismatch", "-r", "-", "-d", scratch, "-i", patch],
                          capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    current, failures = "", []
    for line in done.stdout.splitlines():
        current = line.removeprefix("patching file ") if line.startswith("patching file ") else current
        found = re.match(r"Hunk #(\d+) (FAILED at \d+|ignored)", line)
        if found:
            failures.append(f"hunk {found[1]} of {current}")
    raise ToolError(f"kernel/patches/{patch.name} does not apply to {PACKAGE} {source_version}: " + (", ".join(failures) or done.stdout.strip().replace("\n", "; ")))


def desired(base, source_version, scratch):
    """Writes every file that differs from Debian's tree below `scratch`, and returns their relative paths."""
    paths = set()
    for patch in patches():
        for path in _patched_paths(patch):
            target = scratch / path
            if path not in paths and (base / path).exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(base / path, target)
                shutil.copymode(base / path, target)
            paths.add(path)
        _apply(patch, scratch, source_version)
    for path in added_files():
        if (base / path).exists() or path in paths:
            raise ToolError(f"kernel/files/{path} exists in Debian's tree: change it with a patch")
        target = scratch / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(KERNEL / "files" / path, target)
        shutil.copymode(KERNEL / "files" / path, target)
        paths.add(path)
    return paths


def _is_compiled(path):
    """Does a kernel depend on this file of ours? Not on its tests and documentation."""
    return path.parts[0] not in ("tools", "Documentation")


def source_key(source_version, only_compiled=False):
    """Hash of all that makes the source what it is, or only of what a kernel is compiled from."""
    key = hashlib.sha256(source_version.encode())
    files = [name for name in added_files() if not only_compiled or _is_compiled(name)]
    for path in [*patches(), *(KERNEL / "files" / name for name in files)]:
        content = path.read_bytes()
        key.update(f"\0{path.relative_to(KERNEL)}\0{len(content)}\0".encode())
        key.update(content)
    return key.hexdigest()


class Workspace:
    """A tree and its object directories, locked for one user at a time."""

    def __init__(self, path):
        self.path = path
        self.tree = path / "tree"

    def objects(self, flavour):
        return self.path / f"obj-{flavour}"

    def _state(self):
        try:
            return json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def changed(self, name):
        """Relative paths of the files called `name` that are not Debian's."""
        return [path for path in self._state().get("managed", []) if pathlib.Path(path).name == name]

    def sync(self):
        """Brings the tree to the checkout's sources, touching nothing that is the same already."""
        source_version = version()
        base = pristine(source_version)
        state = self._state()
        if state.get("version") != source_version:
            shutil.rmtree(self.tree, ignore_errors=True)
            run(["cp", "-al", base, self.tree])
            state = {"version": source_version, "managed": []}
        with tempfile.TemporaryDirectory(dir=self.path, prefix="sync-") as name:
            scratch = pathlib.Path(name)
            managed = desired(base, source_version, scratch)
            gone = {pathlib.Path(path) for path in state["managed"]} - managed
            # Written before the tree changes, so that a later sync also sees to what an interrupted one left.
            state["managed"] = sorted(str(path) for path in managed | gone)
            self._save(state)
            for path in managed:
                _replace(scratch / path, self.tree / path)
        for path in gone:
            (self.tree / path).unlink(missing_ok=True)
            if (base / path).exists():
                shutil.copy2(base / path, self.tree / path)
                os.utime(self.tree / path)
        state["managed"] = sorted(str(path) for path in managed)
        self._save(state)

    def _save(self, state):
        (self.path / "state.json").write_text(json.dumps(state), encoding="utf-8")


def _replace(new, old):
    """Moves `new` to `old` unless they are the same; a rename, because `old` may be a hard link to Debian's file."""
    if not new.exists():
        old.unlink(missing_ok=True)
    elif not old.exists() or new.read_bytes() != old.read_bytes() or (new.stat().st_mode ^ old.stat().st_mode) & 0o111:
        old.parent.mkdir(parents=True, exist_ok=True)
        new.replace(old)


def _owner(path):
    try:
        return (path / "owner").read_text(encoding="utf-8")
    except OSError:
        return ""


def _choose(root):
    """The checkout's own workspace, else one whose checkout is gone, else a new one."""
    existing = sorted(path for path in root.glob("[0-9]*") if path.is_dir())
    own = [path for path in existing if _owner(path) == str(KERNEL)]
    orphans = [path for path in existing if not os.path.exists(_owner(path) or "/nonexistent")]
    for path in own + orphans:
        return path
    number = 1 + max((int(path.name) for path in existing), default=0)
    return root / str(number)


@contextlib.contextmanager
def workspace():
    """The synced workspace of this checkout, locked."""
    root = CACHE / "work"
    with locked(root / "lock"):
        path = _choose(root)
        path.mkdir(parents=True, exist_ok=True)
        (path / "owner").write_text(str(KERNEL), encoding="utf-8")
    with locked(path / "lock"):
        space = Workspace(path)
        space.sync()
        yield space
