# SPDX-License-Identifier: Apache-2.0
"""A person's way through MediaWiki in headless Chromium, served by lwc-fpm from a snapshot."""

import pytest
from browsing import HOST, Person, browser, free_port  # noqa: F401  (browser is a fixture)
from comparison import App

from harness import LwcFpm, Nginx, PhpFpm, Pool, Site, Workspace

pytestmark = pytest.mark.browser


@pytest.fixture(params=[PhpFpm, LwcFpm], ids=["php-fpm", "lwc-fpm"])
def wiki(request, monkeypatch):
    monkeypatch.setenv("LWC_EXAMPLE_URL", f"http://{HOST}")
    with Workspace() as space:
        instance = space.path / "app"
        App("mediawiki").setup(instance)
        warmup = [f"{instance}/public/index.php /index.php/Main_Page", f"{instance}/public/load.php /load.php"]
        fpm = request.param(space, Pool(children=3, lwc={"warmup": warmup})).start()
        yield Nginx(space, Site(snippet=str(instance / "nginx.conf"), fastcgi=fpm.socket, listen=f"127.0.0.1:{free_port()}",
                                name=HOST)).start()


def test_reading_logging_in_editing_searching(browser, wiki):
    person = Person(browser)
    browser.delete_all_cookies()
    person.open("/index.php/Main_Page")
    person.waits_for("MediaWiki has been installed.")
    assert browser.title == "Example Wiki"
    assert person.script("return mw.config.get('wgUserName')") is None

    person.click("#pt-login a")
    person.type("#wpName1", "Admin")
    person.type("#wpPassword1", "example wiki")
    person.click("#wpLoginAttempt")
    person.waits_for("Log out")
    assert person.script("return mw.config.get('wgUserName')") == "Admin"

    person.click("#ca-edit a")
    person.type("#wpTextbox1", "A page written by a '''person''' who links to [[Another page]].")
    person.type("#wpSummary", "first words")
    person.click("#wpSave")
    person.waits_for("A page written by a person who links to Another page.")

    person.click("a.new[title^='Another page']")
    person.type("#wpTextbox1", "The other one: {{PAGENAME}}.")
    person.click("#wpSave")
    person.waits_for("The other one: Another page.")

    person.click("#ca-history a")
    person.waits_for("Diff selection")
    person.type("#searchInput", "Main Page")
    person.click("#searchButton")
    person.waits_for("A page written by a person")
    person.click("#pt-logout a")
    person.waits_for("You are now logged out.")
    person.open("/index.php/Main_Page")
    person.waits_for("A page written by a person")
    assert person.script("return mw.config.get('wgUserName')") is None
    # nginx tells of answers that were cut short. The browser also calls it an error when it goes to another page itself.
    assert wiki.logs() == ""
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [message for message in errors if "net::ERR_CONNECTION_RESET" not in message]
