# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium, and what a person does with it."""

import pytest

from harness import unused_port

HOST = "site.test"  # where the browser finds the server at free_port()


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
        _port.append(unused_port())
    return _port[0]


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
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
        from selenium.webdriver.common.by import By
        try:
            return self.driver.find_element(By.TAG_NAME, "body").text
        except (NoSuchElementException, StaleElementReferenceException):
            return ""  # between two pages

    def script(self, code, *values):
        return self.driver.execute_script(code, *values)
