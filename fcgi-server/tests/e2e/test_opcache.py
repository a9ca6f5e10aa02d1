# SPDX-License-Identifier: Apache-2.0
"""opcache's preloading, JIT and restarts, under php-fpm and lwc-fpm: what workers share must stay right."""

import contextlib
import json
import os

import pytest

from harness.daemons import USER
from harness.fastcgi import ConnectionClosed
from harness.processes import wait_until

from .served import PATIENCE

PRELOADED = """
    class Preloaded { const WORD = '%s'; public static int $count = 0;
                      static function word() { return self::WORD . ++self::$count; } }
    function preloaded_function() { return 'called'; }
    """
USES_IT = """
    %s
    echo json_encode([Preloaded::word(), preloaded_function(), $resumed ?? null,
        count(opcache_get_status()['preload_statistics']['classes'] ?? [])]);
    """


def prepare_preloading(served, word):
    preload = served.script(PRELOADED % word, "preload.inc.php")
    return {"opcache.preload": preload, "opcache.preload_user": USER if os.geteuid() == 0 else ""}


def test_preloading(fresh):
    """Classes and functions are there without an include; what a request does to a preloaded class is its own."""
    fresh.prepare(ini=prepare_preloading(fresh, "first")).start()
    script = fresh.script(USES_IT % "")
    for _ in range(6):
        assert json.loads(fresh.get(script).text) == ["first1", "called", None, 1]


def test_preloading_with_a_snapshot(lwc):
    script = lwc.script(USES_IT % "Preloaded::word(); $resumed = lwc_snapshot();", "front.php")
    lwc.prepare(ini=prepare_preloading(lwc, "first"), lwc={"warmup": [script]}).start()
    for _ in range(6):
        assert json.loads(lwc.get(script).text) == ["first2", "called", True, 1]


def test_reload_preloads_again(fresh):
    fresh.prepare(ini=prepare_preloading(fresh, "first")).start()
    script = fresh.script(USES_IT % "")
    assert json.loads(fresh.get(script).text)[0] == "first1"
    fresh.script(PRELOADED % "second", "preload.inc.php")
    fresh.daemon.reload()

    def word():
        with contextlib.suppress(ConnectionClosed, OSError):  # php-fpm lets connections down during a reload
            return json.loads(fresh.get(script).text)[0]

    assert wait_until(lambda: word() == "second1", PATIENCE), fresh.daemon.logs()


def test_preloading_that_fails_is_told(fresh):
    """php-fpm does not start either."""
    ini = prepare_preloading(fresh, "first") | {"opcache.preload": str(fresh.root / "nowhere.php")}
    fresh.prepare(ini=ini)
    fresh.daemon.launch()
    assert fresh.daemon.wait() not in (0, None)
    assert "nowhere.php" in fresh.daemon.logs()


HOT = """
    %s
    function hot(int $n): int { $s = 0; for ($i = 0; $i < $n; $i++) { $s = ($s * 31 + $i) %% 1000003; } return $s; }
    class Dot { public float $x = 0; function add(float $by): static { $this->x += $by; return $this; } }
    $dot = new Dot; for ($i = 0; $i < 2000; $i++) $dot->add(0.5);
    $n = (int) $_GET['n'];
    echo json_encode([hot($n), $dot->x, array_sum(array_map(fn ($x) => $x * $n, range(1, 500))), $resumed ?? null,
        opcache_get_status(false)['jit']['on']]);
    """


def hot(n):
    total = 0
    for i in range(n):
        total = (total * 31 + i) % 1000003
    return total


@pytest.mark.parametrize("mode", ["tracing", "function"])
@pytest.mark.parametrize("snapshot", [False, True], ids=["base", "snapshot"])
def test_jit(fresh, mode, snapshot):
    """Code that one child has compiled is run by the others."""
    if snapshot and not fresh.is_ours:
        pytest.skip("php-fpm has no snapshots")
    script = fresh.script(HOT % ("$resumed = lwc_snapshot();" if snapshot else ""), "front.php")
    fresh.start(ini={"opcache.jit": mode, "opcache.jit_buffer_size": "16M"}, lwc={"warmup": [script]} if snapshot else {})
    free = "echo opcache_get_status(false)['jit']['buffer_free'];"
    before = int(fresh.get(free).text)
    for n in [3000, 10, 5000, 0, 777] * 6:
        answer = json.loads(fresh.get(script, query=f"n={n}").text)
        assert answer == [hot(n), 1000, 125250 * n, True if snapshot else None, True]
    after = int(fresh.get(free).text)
    assert after < before, "nothing was compiled"
    if mode == "tracing":  # each loop and closure once for all children, and not again for each
        assert before - after < 20_000


@pytest.mark.parametrize("force", ["180", "1"], ids=["waits", "forced"])
def test_full_opcache(fresh, force):
    """The memory is used up again and again: it is emptied, with whatever is alive at the time, and nobody gets a
    wrong answer."""
    site = fresh.script("""
        class Kernel { function answer($n) { return "answer $n"; } } $k = new Kernel;
        if (function_exists('lwc_snapshot')) lwc_snapshot();
        echo $k->answer($_GET['n']);
        """, "front.php")
    fillers = [fresh.script(f"$a = {list(range(n * 1000, n * 1000 + 3000))}; echo array_sum($a);".replace("], [", "],["))
               for n in range(120)]
    fresh.start(ini={"opcache.memory_consumption": "8", "opcache.max_wasted_percentage": "1",
                     "opcache.interned_strings_buffer": "4", "opcache.force_restart_timeout": force},
                lwc={"warmup": [site]} if fresh.is_ours else {})
    status = fresh.script("$s = opcache_get_status(false); echo json_encode([$s['opcache_statistics']['oom_restarts'],"
                          " $s['cache_full'], $s['restart_pending']]);")
    for _ in range(3):
        for n, filler in enumerate(fillers):
            assert fresh.get(filler).text == str(sum(range(n * 1000, n * 1000 + 3000)))
            assert fresh.get(site, query=f"n={n}").text == f"answer {n}"
        for n, filler in enumerate(fillers[:60]):  # what was cached is out of date: wasted memory
            fresh.replace(filler, (fresh.root / filler).read_text() + f"// {n}")
    assert json.loads(fresh.get(status).text)[0] > 0 or json.loads(fresh.get(status).text)[1]
