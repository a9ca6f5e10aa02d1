# SPDX-License-Identifier: GPL-2.0-only
"""Static checks of the kernel code that is ours: checkpatch, sparse, kernel-doc, and the UAPI header as users compile it."""

import concurrent.futures
import subprocess

import build
import source
from common import JOBS, KERNEL, ToolError, need, note

FILES = KERNEL / "files"
CHECKPATCH = ("--strict", "--quiet", "--show-types", "--no-signoff")
# Our patches have no mail headers, and MAINTAINERS is not ours to change.
PATCH_IGNORES = "FILE_PATH_CHANGES,COMMIT_MESSAGE,COMMIT_LOG_LONG_LINE"
# What checkpatch gets wrong in a kind of file: BIT() is no part of the UAPI; TRACE_EVENT() has a layout of its own; functions of mm/ have a
# local pointer to the lock of a page table; tests that share memory between contexts need volatile, as signal handlers do, bind variables to
# registers, hand statements to macros, and expect ENOSYS; user space has no __noreturn; and what the hooks are without CONFIG_LWC leaves no trace.
FILE_IGNORES = (("include/uapi/", "BIT_MACRO"), ("include/trace/", "PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE"), ("mm/", "UNCOMMENTED_DEFINITION"), ("include/linux/", "MACRO_ARG_UNUSED"),
                ("tools/testing/", "VOLATILE,PREFER_DEFINED_ATTRIBUTE_MACRO,LINE_SPACING,EMBEDDED_FUNCTION_NAME,OPEN_ENDED_LINE,MACRO_ARG_REUSE,ENOSYS"))


def _ours(*suffixes):
    return [path for path in source.added_files() if path.suffix in suffixes]


def _report(name, command, **options):
    """Runs a checker; whatever it prints is a finding. Returns whether it was silent and successful."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    good = done.returncode == 0 and not done.stdout.strip()
    print(f"{'ok' if good else 'FAILED'}  {name}", flush=True)
    if not good:
        print(done.stdout.rstrip() or f"status {done.returncode}", flush=True)
    return good


def _checkpatch(tree):
    script = tree / "scripts" / "checkpatch.pl"
    common = [script, *CHECKPATCH, f"--root={tree}"]
    jobs = [(f"checkpatch {path}", [*common, "--ignore", _ignores(path), "--file", path]) for path in _ours(".c", ".h", ".rst", ".S", "")]
    jobs += [(f"checkpatch patches/{path.name}", [*common, "--ignore", PATCH_IGNORES, path]) for path in source.patches()]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return all(list(pool.map(lambda job: _report(*job, cwd=tree), jobs)))


def _ignores(path):
    # checkpatch wants the option to have a value.
    return next((types for prefix, types in FILE_IGNORES if str(path).startswith(prefix)), "FILE_PATH_CHANGES")


def _sparse(space):
    """C=2 checks every file, compiled anew or not; W=1 is what gcc has to add. Our files only: those beside them have findings of their own.

    Without the count of locks: sparse cannot follow one that is taken under a condition or dropped by who was called, which lockdep does when it runs.
    """
    objects = space.objects("lwc")
    targets = sorted(str(path.with_suffix(".o")) for path in _ours(".c") if path.parts[0] != "tools")
    base = ["make", "-s", "-k", "-C", space.tree, f"O={objects}", f"-j{JOBS}"]
    return _report("sparse", [*base, "C=2", "CHECK=sparse -Wsparse-error -Wno-context", *targets]) and \
        _report("gcc W=1", [*base, "W=1", "KCFLAGS=-Werror", *targets])


def _kernel_doc(tree):
    paths = [path for path in _ours(".c", ".h") if path.parts[0] != "tools"]
    return all([_report(f"kernel-doc {path}", [tree / "scripts" / "kernel-doc", "-none", "-Werror", path], cwd=tree) for path in paths])


def _uapi(space):
    """User space compiles the header, as `make headers` installs it, as strict C and as C++."""
    objects = space.objects("lwc")
    build.make(space, objects, "headers", stdout=subprocess.DEVNULL)
    results = []
    for path in _ours(".h"):
        if path.parts[:2] != ("include", "uapi"):
            continue
        installed = objects / "usr" / "include" / path.relative_to("include/uapi")
        for language, standard in (("c", "c11"), ("c++", "c++20")):
            results.append(_report(f"{standard} {path}", ["gcc", "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", installed]))
    return all(results)


def lint():
    """Runs all checks; returns whether there was nothing to find."""
    need("sparse", "perl", *build.BUILD_PACKAGES)
    if not FILES.exists():
        raise ToolError("there is no kernel/files")
    with source.workspace() as space:
        build.configure(space, "lwc", space.objects("lwc"))
        build.make(space, space.objects("lwc"), "prepare")
        passed = all([_checkpatch(space.tree), _kernel_doc(space.tree), _uapi(space), _sparse(space)])
    note("lint: " + ("clean" if passed else "there are findings"))
    return passed
