# SPDX-License-Identifier: Apache-2.0
"""A person's way through MediaWiki in headless Chromium, served by lwc-fpm from a snapshot."""

import socket

import pytest
from comparison import App

from harness import LwcFpm, Nginx, PhpFpm, Pool, Site, Workspace

pytestmark = pytest.mark.browser

HOST = "wiki.test"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    profile = tmp_path_factory.mktemp("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--user-data-dir={profile}",
                     f"--host-resolver-rules=MAP {HOST}:80 127.0.0.1:{free_port()}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                     "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(120)
    yield driver
    driver.quit()


_port = []


def free_port():
    """The one port of this module: the browser's map and nginx have to agree on it."""
    if not _port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            _port.append(probe.getsockname()[1])
    return _port[0]


@pytest.fixture(params=[PhpFpm, LwcFpm], ids=["php-fpm", "lwc-fpm"])
def wiki(request, monkeypatch):
    monkeypatch.setenv("LWC_EXAMPLE_URL", f"http://{HOST}")
    with Workspace() as space:
        instance = space.path / "app"
        App("mediawiki").setup(instance)
        warmup = [f"{instance}/public/index.php /index.php/Main_Page", f"{instance}/public/load.php /load.php"]
        fpm = request.param(space, Pool(children=3, lwc={"warmup": warmup})).start()
        Nginx(space, Site(snippet=str(instance / "nginx.conf"), fastcgi=fpm.socket, listen=f"127.0.0.1:{free_port()}",
                          name=HOST)).start()
        yield fpm


class Person:
    """What a person does with a page: looks, clicks, types."""

    def __init__(self, driver):
        self.driver = driver

    def find(self, selector):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support import expected_conditions
        from selenium.webdriver.support.ui import WebDriverWait
        return WebDriverWait(self.driver, 60).until(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector)))

    def open(self, path):
        self.driver.get(f"http://{HOST}{path}")

    def click(self, selector):
        self.find(selector).click()

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def waits_for(self, text):
        from selenium.webdriver.support.ui import WebDriverWait
        WebDriverWait(self.driver, 60).until(lambda _: text in self.text(), f"{text!r} did not appear in: {self.text()[:2000]}")

    def text(self):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.common.by import By
        try:
            return self.driver.find_element(By.TAG_NAME, "body").text
        except StaleElementReferenceException:
            return ""

    def script(self, code):
        return self.driver.execute_script(code)


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
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not errors
