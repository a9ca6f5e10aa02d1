# SPDX-License-Identifier: GPL-2.0-only
"""How a tree is put together, on a tree of two files instead of 80,000."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
# pylint: disable=wrong-import-position
import build  # noqa: E402
import common  # noqa: E402
import source  # noqa: E402

PATCH = """\
A hook.
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -1,3 +1,4 @@
 one
+hook
 two
 three
"""


@pytest.fixture(name="checkout")
def make_checkout(tmp_path, monkeypatch):
    """A checkout's kernel folder, beside a cache that has the source already."""
    cache = tmp_path / "cache"
    base = cache / "source-1.0"
    (base / "kernel").mkdir(parents=True)
    (base / "kernel" / "fork.c").write_text("one\ntwo\nthree\n", encoding="utf-8")
    (base / "kernel" / "exit.c").write_text("exit\n", encoding="utf-8")
    folder = tmp_path / "checkout" / "kernel"
    (folder / "files" / "kernel" / "lwc").mkdir(parents=True)
    (folder / "files" / "kernel" / "lwc" / "core.c").write_text("core\n", encoding="utf-8")
    (folder / "patches").mkdir()
    (folder / "patches" / "0001-hook.patch").write_text(PATCH, encoding="utf-8")
    monkeypatch.setattr(source, "CACHE", cache)
    monkeypatch.setattr(source, "KERNEL", folder)
    monkeypatch.setattr(source, "version", lambda: "1.0")
    return folder


def prepare():
    with source.workspace() as space:
        return space.tree


def state(tree):
    """Content and time of every file."""
    return {path.relative_to(tree): (path.read_text(encoding="utf-8"), path.stat().st_mtime_ns) for path in tree.rglob("*") if path.is_file()}


def test_files_and_patches_are_laid_over_and_the_original_stays(checkout):
    tree = prepare()
    assert (tree / "kernel" / "fork.c").read_text(encoding="utf-8") == "one\nhook\ntwo\nthree\n"
    assert (tree / "kernel" / "lwc" / "core.c").read_text(encoding="utf-8") == "core\n"
    assert (source.CACHE / "source-1.0" / "kernel" / "fork.c").read_text(encoding="utf-8") == "one\ntwo\nthree\n"
    assert checkout.exists()


def test_only_what_changed_is_touched(checkout):
    before = state(prepare())
    assert state(prepare()) == before
    (checkout / "files" / "kernel" / "lwc" / "core.c").write_text("new\n", encoding="utf-8")
    after = state(prepare())
    assert [path for path in after if after[path] != before[path]] == [pathlib.Path("kernel/lwc/core.c")]


def test_what_is_taken_away_is_restored_and_looks_changed(checkout):
    before = state(prepare())
    (checkout / "patches" / "0001-hook.patch").unlink()
    (checkout / "files" / "kernel" / "lwc" / "core.c").unlink()
    after = state(prepare())
    fork = pathlib.Path("kernel/fork.c")
    assert after[fork][0] == "one\ntwo\nthree\n" and after[fork][1] > before[fork][1]
    assert pathlib.Path("kernel/lwc/core.c") not in after


def test_a_hunk_that_does_not_apply_is_named_and_nothing_changes(checkout):
    before = state(prepare())
    (checkout / "patches" / "0002-bad.patch").write_text(PATCH.replace(" two", " zwei"), encoding="utf-8")
    with pytest.raises(common.ToolError, match=r"^kernel/patches/0002-bad\.patch does not apply to linux-source-6\.12 1\.0: hunk 1 of kernel/fork\.c$"):
        prepare()
    tree = next((source.CACHE / "work").glob("*/tree"))
    assert state(tree) == before


def test_fuzz_is_not_taken(checkout):
    (checkout / "patches" / "0001-hook.patch").write_text(PATCH.replace(" three", " drei"), encoding="utf-8")
    with pytest.raises(common.ToolError, match="hunk 1 of kernel/fork.c"):
        prepare()


def test_a_file_may_not_replace_one_of_debians(checkout):
    (checkout / "files" / "kernel" / "exit.c").write_text("mine\n", encoding="utf-8")
    with pytest.raises(common.ToolError, match="files/kernel/exit.c exists in Debian's tree"):
        prepare()


def test_two_checkouts_do_not_share_a_tree_but_a_gone_ones_is_taken_over(checkout, monkeypatch):
    first = prepare()
    other = checkout.parent.parent / "other" / "kernel"
    other.parent.mkdir()
    checkout.parent.joinpath("kernel").rename(other)
    monkeypatch.setattr(source, "KERNEL", other)
    assert prepare() == first
    (checkout / "files").mkdir(parents=True)
    monkeypatch.setattr(source, "KERNEL", checkout)
    assert prepare() != first


def test_the_key_depends_on_names_and_content(checkout):
    keys = {source.source_key("1.0"), source.source_key("1.1")}
    core = checkout / "files" / "kernel" / "lwc" / "core.c"
    core.write_text("other\n", encoding="utf-8")
    keys.add(source.source_key("1.0"))
    core.rename(core.with_name("switch.c"))
    keys.add(source.source_key("1.0"))
    assert len(keys) == 4


def test_a_kernel_is_not_compiled_anew_for_a_test(checkout):
    whole, compiled = source.source_key("1.0"), source.source_key("1.0", only_compiled=True)
    test = checkout / "files" / "tools" / "testing" / "some_test.c"
    test.parent.mkdir(parents=True, exist_ok=True)
    test.write_text("new\n", encoding="utf-8")
    assert source.source_key("1.0") != whole
    assert source.source_key("1.0", only_compiled=True) == compiled


def test_a_wish_that_kconfig_drops_is_an_error(tmp_path):
    wish, override, config = tmp_path / "wish", tmp_path / "override", tmp_path / "config"
    wish.write_text("CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n", encoding="utf-8")
    override.write_text("# CONFIG_B is not set\n", encoding="utf-8")
    config.write_text("CONFIG_A=y\n", encoding="utf-8")
    build.check_config(config, [wish, override])
    with pytest.raises(common.ToolError, match="^not granted by Kconfig: CONFIG_B=y$"):
        build.check_config(config, [wish])
