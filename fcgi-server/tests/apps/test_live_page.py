# SPDX-License-Identifier: Apache-2.0
"""The live status page in headless Chromium: ours, and php-fpm's own page with either daemon behind it."""

from pathlib import Path

import pytest
from browsing import HOST, Person, browser, free_port  # noqa: F401  (browser is a fixture)

from harness import LwcFpm, Nginx, PhpFpm, Pool, Site, Workspace
from harness.fastcgi import Connection, script_params

pytestmark = pytest.mark.browser

SETTINGS = {"pm.status_path": "/status"}
PHP_FPMS_PAGE = Path("/usr/share/php/8.2/fpm/status.html")
CODE = "<?php if (function_exists('lwc_snapshot')) { lwc_snapshot(); }" \
       " while (isset($_GET['wait']) && !file_exists(__DIR__ . '/go')) { usleep(10000); } echo 'page';"


class StatusSite:
    """A pool of two workers behind nginx, at http://HOST."""

    def __init__(self, space, kind):
        self.page = str(space.write("page.php", CODE))
        self.fpm = kind(space, Pool("www", 2, settings=SETTINGS)).start()
        static = f"location = /status.html {{ alias {PHP_FPMS_PAGE}; }}"
        Nginx(space, Site(script=self.page, fastcgi=self.fpm.socket, listen=f"127.0.0.1:{free_port()}", name=HOST,
                          extra=static)).start()

    def connect(self, query=""):
        connection = Connection(self.fpm.socket, timeout=60)
        connection.send_request(script_params(self.page, document_root=str(Path(self.page).parent), query=query))
        return connection

    def visit(self):
        with self.connect() as connection:
            assert connection.read_response().text == "page"


@pytest.fixture
def site(request, browser):  # noqa: F811
    with Workspace() as space:
        yield StatusSite(space, request.param)
        browser.get("about:blank")  # no page of before asks a server of later
        browser.get_log("browser")


def until(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait
    return WebDriverWait(driver, 60).until(lambda _: condition())


def tile(person, name):
    return person.script("return [...document.querySelectorAll('.tile')].find(one => one.firstChild.textContent === arguments[0])"
                         "?.lastChild.textContent", name)


def rows(person, table):
    """The table as a list of {heading: cell}."""
    return person.script("""
        const [head, ...lines] = [...document.querySelectorAll('#' + arguments[0] + ' tr')].map(line => [...line.cells].map(cell => cell.textContent));
        return lines.map(line => Object.fromEntries(line.map((cell, i) => [head[i], cell])));""", table)


@pytest.mark.parametrize("site", [LwcFpm], ids=["lwc-fpm"], indirect=True)
def test_the_live_page_shows_and_updates(browser, site):
    person = Person(browser)
    person.open("/status?live")
    until(browser, lambda: person.text().startswith("Pool www"))
    browser.find_element("css selector", "#every option").click()  # each second
    assert len(rows(person, "processes")) == 2
    assert tile(person, "total processes") == "2"
    accepted = lambda: int(tile(person, "accepted conn"))
    before = accepted()
    for _ in range(5):
        site.visit()
    until(browser, lambda: accepted() >= before + 5)

    # The snapshot that these requests have made, and its figures.
    until(browser, lambda: [(one["script"], one["state"]) for one in rows(person, "snapshots")] == [(site.page, "ready")])
    assert rows(person, "snapshots")[0]["size"].endswith(("KiB", "MiB"))
    assert tile(person, "engine") in ("rollback", "fork", "kernel")

    # A request is seen while it runs, and no longer.
    running = lambda: [one for one in rows(person, "processes") if one["state"] == "Running" and one["request uri"] == "/page.php?wait"]
    with site.connect(query="wait") as connection:
        until(browser, lambda: len(running()) == 1)
        assert running()[0]["script"] == site.page
        assert person.script("return document.querySelectorAll('#processes tr.busy').length") == 2  # and the page's own
        assert browser.title == "2/2 www"
        Path(site.page).with_name("go").touch()
        assert connection.read_response().text == "page"
    until(browser, lambda: not running())

    # Sorted by a heading, downwards at the second click.
    heading = "[...document.querySelectorAll('#processes th')].find(one => one.textContent.startsWith('pid'))"
    person.script(f"{heading}.click(); {heading}.click()")
    pids = [int(next(cell for name, cell in one.items() if name.startswith("pid"))) for one in rows(person, "processes")]
    assert pids == sorted(pids, reverse=True)

    # It says so when the daemon is gone, and goes on when it is back.
    site.fpm.stop()
    until(browser, lambda: "no status from /status: 502" in person.text())
    site.fpm.start()
    until(browser, lambda: "no status from" not in person.text() and accepted() < before + 5)
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [one for one in errors if "502" not in one] == []


@pytest.mark.parametrize("site", [PhpFpm, LwcFpm], ids=["php-fpm", "lwc-fpm"], indirect=True)
def test_php_fpms_own_page(browser, site):
    """Debian's php8.2-fpm brings it; it reads the JSON."""
    person = Person(browser)
    person.open("/status.html")
    person.click("#play")
    until(browser, lambda: person.script("return document.querySelectorAll('#short tr').length") > 10)
    lines = dict(person.script("return [...document.querySelectorAll('#short tr')].map(line => [...line.cells].map(cell => cell.textContent))"))
    assert lines["pool"] == "www" and lines["process manager"] == "static" and lines["total processes"] == "2"
    processes = "return document.querySelectorAll('#active tr, #idle tr').length"
    until(browser, lambda: person.script(processes) == 2 + 2)  # headings and workers
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
