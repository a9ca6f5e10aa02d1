# SPDX-License-Identifier: Apache-2.0
"""Ping, the status page in all its formats, pm.status_listen and fpm_get_status(), beside php-fpm's."""

import copy
import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from harness import LwcFpm, PhpFpm, Workspace, unused_port

from .busy import Busy, own_page, status, wait_for_status
from .conftest import ENGINE, OURS
from .served import Served

SETTINGS = {"pm.status_path": "/status", "ping.path": "/ping"}
OF_THE_ENGINE = ("pages written", "pages restored", "page faults", "undo time", "taints", "replacements")
METRICS = ("pages_written", "pages_restored", "page_faults", "undo_microseconds", "taints", "replacements")
FORMATS = ["", "html", "xml", "json", "openmetrics"]


@pytest.fixture(scope="module")
def both():
    """php-fpm and lwc-fpm with the same settings and one worker; each has served two requests."""
    with Workspace() as space:
        php = Served(space, PhpFpm).start(1, settings=SETTINGS)
        pair = [php, copy.copy(php)]
        pair[1].kind, pair[1].daemon = LwcFpm, None
        pair[1].start(1, settings=SETTINGS)
        for served in pair:
            served.get("echo 'first';")
            served.get("echo str_repeat('x', 3);", query="a=b")
        yield pair


# What differs from run to run: pids, dates, durations, sizes, the temp dir.
def masked(text):
    text = re.sub(r"/tmp/lwc-[^/]+/www", "ROOT", text)
    text = re.sub(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", "DATE", text)
    for name in ("pid", "start time", "start since", "request duration", "last request cpu", "last request memory",
                 "phpfpm_start_since", "accepted conn", "requests", "phpfpm_accepted_connections"):
        forms = {name, name.replace(" ", "-")}
        for form in forms:
            text = re.sub(rf"({form}</th><td>|<{form}>|\"{form}\":|{form}:? +)[\d.]+", r"\1N", text)
    # Of the table of processes only the cells that are the same under both.
    return re.sub(r"<tr><td>\d+</td><td>(\w+)</td><td>DATE</td>(<td>\d+</td>){3}(.*?)<td>[\d.]+</td><td>\d+</td>(</tr>|<td>)",
                  r"<tr>\1 \3\4", text)


# What lwc-fpm adds when "full" is asked for.
def without_own(text, form):
    if form == "json":
        text = re.sub(r',"snapshot":\d+,"pages written":\d+,"pages restored":\d+,"page faults":\d+,"undo time":\d+,"taints":\d+,'
                      r'"last taint":"[^"]*","replacements":\d+', "", text)
        return re.sub(r',"lwc":\{.*\}\}$', "}", text)
    if form == "xml":
        text = re.sub(r"<snapshot>\d+</snapshot><pages-written>.*?</replacements>", "", text)
        return re.sub(r"<lwc>\n.*</lwc>\n", "", text, flags=re.S)
    if form == "html":
        text = text.replace("<th>snapshot</th><th>pages written</th><th>pages restored</th><th>page faults</th>"
                            "<th>undo time</th><th>taints</th><th>last taint</th><th>replacements</th>", "")
        text = re.sub(r"(<tr>Running .*?)(<td>\d+</td>){6}<td>-</td><td>\d+</td></tr>", r"\1</tr>", text)
        return re.sub(r"</table>\n<table>\n<tr><th>engine.*</table>\n</body>", "</table></body>", text, flags=re.S)
    if form == "openmetrics":
        return re.sub(r"# HELP lwcfpm_engine.*# EOF", "# EOF", text, flags=re.S)
    text = re.sub(r"\nengine: .*?\n(?=\n\*|$)", "\n", text, flags=re.S)
    return re.sub(r"snapshot: +\d+\npages written: .*\npages restored: .*\npage faults: .*\nundo time: .*\ntaints: .*\n"
                  r"last taint: .*\nreplacements: .*\n", "", text)


@OURS
@pytest.mark.parametrize("full", [False, True], ids=["short", "full"])
@pytest.mark.parametrize("form", FORMATS)
def test_the_page_is_php_fpms(both, form, full):
    query = "&".join(filter(None, [form, "full" if full else ""]))
    theirs, ours = (own_page(served, query=query) for served in both)
    assert ours.header_list == theirs.header_list
    text = masked(ours.text)
    if full or not form:
        assert text != without_own(text, form)
        text = without_own(text, form)
    assert text == masked(theirs.text)


@OURS
def test_well_formed_with_all_that_is_ours(both):
    for query in ("full", "lwc"):
        page = status(both[1], query=f"json&{query}")
        assert {"engine", "pages written", "page faults", "undo time", "taints", "faults", "snapshots"} <= page["lwc"].keys()
        root = ElementTree.fromstring(own_page(both[1], query=f"xml&{query}").text)
        assert root.findtext("lwc/engine") == page["lwc"]["engine"]
        metrics = own_page(both[1], query=f"openmetrics&{query}").text
        assert f'lwcfpm_engine{{name="{page["lwc"]["engine"]}"}} 1\n' in metrics and metrics.endswith("# EOF\n")


@OURS
@pytest.mark.skipif(ENGINE in ("fork", "none"), reason="they do not know")
def test_what_undoing_costs_is_the_same_in_every_format(both):
    """All of it is the only worker's. Asking costs something, too: later pages have more."""
    page = status(both[1])
    (process,) = page["processes"]
    seen = {name: process[name] for name in OF_THE_ENGINE}
    assert seen == {name: page["lwc"][name] for name in OF_THE_ENGINE}
    assert seen["taints"] == seen["replacements"] == 0 and process["last taint"] == "-"
    root = ElementTree.fromstring(own_page(both[1], query="xml&full").text)
    # An element of XML and a column of HTML have the worker's, a line of text has the pool's first.
    texts = [{name: root.findtext(f"processes/process/{name.replace(' ', '-')}") for name in OF_THE_ENGINE},
             {name: root.findtext(f"lwc/{name.replace(' ', '-')}") for name in OF_THE_ENGINE}]
    text = own_page(both[1], query="full").text
    found = {name: re.findall(rf"^{name}: +(\d+)$", text, re.M) for name in OF_THE_ENGINE}
    texts += [{name: words[which] for name, words in found.items()} for which in (0, 1)]
    table = ElementTree.fromstring(re.search(r"<table[^>]*>\s*<tr><th>pid.*?</table>", own_page(both[1], query="html&full").text, re.S)[0])
    names, cells = ([cell.text for cell in row] for row in table)
    texts += [{name: cells[names.index(name)] for name in OF_THE_ENGINE}]
    metrics = own_page(both[1], query="openmetrics&full").text
    texts += [{name: re.search(rf"^lwcfpm_{metric}_total (\d+)$", metrics, re.M)[1]
               for name, metric in zip(OF_THE_ENGINE, METRICS)}]
    for now in texts:
        figures = {name: int(now[name]) for name in OF_THE_ENGINE}
        for name in ("pages written", "pages restored", "undo time"):
            assert figures[name] >= seen[name] > 0
        assert figures["page faults"] >= seen["page faults"]
        assert figures["taints"] == figures["replacements"] == 0


@OURS
@pytest.mark.parametrize("name, query", [("/ping", ""), ("/status", ""), ("/status", "json"), ("/status", "f&h"),
                                         ("/status/", ""), ("/pin", "")])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_same_headers_as_php_fpm(both, name, query, method):
    theirs, ours = (own_page(served, name, query, method) for served in both)
    assert (ours.status, ours.header_list) == (theirs.status, theirs.header_list)
    assert bool(ours.body) == bool(theirs.body)
    if name != "/status":
        assert ours.body == theirs.body


def test_ping(fresh):
    fresh.start(1, settings=SETTINGS | {"ping.response": "all is well"})
    answer = own_page(fresh, "/ping")
    assert (answer.status, answer.text) == (200, "all is well")
    assert answer.header("Content-Type").startswith("text/plain")


def test_a_running_request(fresh):
    fresh.start(2, settings=SETTINGS)
    with Busy(fresh, 1, body=b"12345", query="a=<b>&c=\"d\"", PHP_AUTH_USER="x", HTTP_AUTHORIZATION="Basic amU6cHc=",
              REQUEST_URI="/pretty", SCRIPT_NAME="/a\"b<c>/\xe9") as busy:
        # php-fpm's master counts once a second, if it comes to run.
        page = wait_for_status(fresh, lambda page: [one["state"] for one in page["processes"]] == ["Running"] * 2
                               and (page["idle processes"], page["total processes"], page["max active processes"]) == (0, 2, 2))
        running = next(one for one in page["processes"] if one["script"] == busy.script)
        assert running["pid"] in fresh.processes()
        assert running["request method"] == "POST" and running["content length"] == 5 and running["user"] == "je"
        assert running["request duration"] > 0 and running["last request memory"] == 0
        again = wait_for_status(fresh, lambda page: True)
        later = next(one for one in again["processes"] if one["script"] == busy.script)
        assert later["request duration"] > running["request duration"]
        assert later["request uri"] == '/a"b<c>/\xe9?a=<b>&c="d"'
        for form in ("html", "xml"):
            text = own_page(fresh, query=f"{form}&full").text
            assert "/a&quot;b&lt;c&gt;/\xe9?a=&lt;b&gt;&amp;c=&quot;d&quot;" in text, text
        ElementTree.fromstring(text)
    page = wait_for_status(fresh, lambda page: sorted(one["state"] for one in page["processes"]) == ["Idle", "Running"])
    idle = next(one for one in page["processes"] if one["state"] == "Idle")
    assert idle["last request memory"] > 0


def test_counts(fresh):
    fresh.start(1, settings=SETTINGS)
    before = status(fresh)
    for _ in range(5):
        fresh.get("echo 1;")
    page = status(fresh)
    assert page["accepted conn"] == before["accepted conn"] + 6 == 7
    (process,) = page["processes"]
    assert (process["requests"], process["state"]) == (7, "Running")
    assert page["start time"] <= process["start time"]


def test_answers_on_its_own_socket_while_all_workers_are_busy(fresh):
    listen = str(fresh.space.path / "status.sock")
    fresh.start(2, settings=SETTINGS | {"pm.status_listen": listen})
    with Busy(fresh, 2):
        page = wait_for_status(fresh, lambda page: page["active processes"] == 2, address=listen)
        assert (page["pool"], page["idle processes"], len(page["processes"])) == ("www", 0, 2)
        assert page["process manager"] == "static"
        assert own_page(fresh, "/ping", address=listen).text == "pong"
        assert own_page(fresh, "/other", address=listen).status == 404
    assert wait_for_status(fresh, lambda page: page["idle processes"] == 2, address=listen)["accepted conn"] == 2


def test_status_listen_without_a_path(fresh):
    listen = str(fresh.space.path / "status.sock")
    fresh.start(1, settings={"pm.status_listen": listen})
    assert own_page(fresh, "/", address=listen).text.startswith("pool:                 www\n")


def test_listen_queue(fresh):
    port = unused_port()  # only over TCP the kernel tells
    listen = str(fresh.space.path / "status.sock")
    fresh.start(1, settings=SETTINGS | {"pm.status_listen": listen, "listen.backlog": 7}, listen=f"127.0.0.1:{port}")
    where = {"address": listen}
    with Busy(fresh, 1):
        wait_for_status(fresh, lambda page: page["active processes"] == 1, **where)
        waiting = [fresh.connect() for _ in range(3)]
        page = wait_for_status(fresh, lambda page: page["listen queue"] == 3, **where)
        assert (page["max listen queue"], page["listen queue len"]) == (3, 7)
        for connection in waiting:
            connection.close()
    page = wait_for_status(fresh, lambda page: page["listen queue"] == 0, **where)
    assert page["max listen queue"] == 3


FUNCTION = """
    $status = fpm_get_status();
    unset($status['procs'][0]['script']);
    array_walk_recursive($status, function (&$value, $key) {
        if (preg_match('/^(pid|start-time|start-since|request-duration)$/', $key)) { $value = get_debug_type($value); }
    });
    echo json_encode($status);
"""


@OURS
def test_the_function_is_php_fpms(both):
    for served in both:
        served.script(FUNCTION, "function.php")
    counts = []
    for served in both:
        page = json.loads(served.get(str(served.root / "function.php"), query="x=1", method="GET").text)
        counts.append((page.pop("accepted-conn"), page["procs"][0].pop("requests")))
        served.page = page
    assert json.dumps(both[1].page) == json.dumps(both[0].page)  # the order counts, too
    assert counts[1][0] == counts[1][1] > 0


def test_only_the_path_itself(fresh):
    """SCRIPT_NAME decides, as in php-fpm: not the file, and not what follows the path."""
    fresh.start(1, settings=SETTINGS)
    script = fresh.script("echo 'a script';", "page.php")
    assert own_page(fresh, "/status", script=script).text.startswith("pool:")
    assert own_page(fresh, "/status.php", script=script).text == "a script"


def test_a_page_without_path(fresh):
    fresh.start(1)
    assert own_page(fresh, "/status").status == 404
    assert own_page(fresh, "/ping").status == 404


SNAPSHOT = """
    require 'part.inc';
    lwc_snapshot();
    echo 'served ', lwc_snapshot_info()['snapshot'] ?? 'without';
"""


def test_snapshots_are_listed(lwc):
    lwc.prepare(1, settings=SETTINGS)
    lwc.script("<?php $filled = str_repeat('x', 1 << 20);", "part.inc")
    script = lwc.script(SNAPSHOT, "app.php")
    lwc.daemon.pools[0].lwc["warmup"] = [f"{script} /"]
    lwc.daemon.write_config()
    lwc.start()
    for _ in range(3):
        assert lwc.get(script).text == "served 1"
    page = status(lwc)
    (snapshot,) = page["lwc"]["snapshots"]
    assert (snapshot["id"], snapshot["script"], snapshot["state"], snapshot["builds"]) == (1, script, "ready", 1)
    assert snapshot["requests"] == 3 and snapshot["age"] >= 0 and snapshot["size"] > 1 << 20
    assert f"snapshot:             id 1, script {script}, state ready, " in own_page(lwc).text
    metrics = own_page(lwc, query="openmetrics&full").text
    assert f'lwcfpm_snapshot_requests_total{{id="1",script="{script}"}} 3\n' in metrics
    # A request for the page itself is not one for the application, whatever file it names.
    assert own_page(lwc, "/status", script=script).text.startswith("pool:")


def test_faults_are_counted(lwc):
    lwc.start(1, settings=SETTINGS)
    lwc.get("posix_kill(getmypid(), SIGSEGV); sleep(5);")
    assert wait_for_status(lwc, lambda page: page["lwc"]["faults"])["lwc"]["faults"] == 1


def test_the_live_page(lwc):
    lwc.start(1, settings=SETTINGS)
    answer = own_page(lwc, query="live")
    assert answer.header("Content-Type").startswith("text/html") and "?json&full" in answer.text
