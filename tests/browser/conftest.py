"""Fixtures of the tests in a browser: one JupyterLab and one Chromium for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import Desk, browser, chromium

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    """Chromium. Where there is none, tests are left out, but fail in continuous integration."""
    if chromium() is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine: `apt-get install chromium`")
        pytest.skip("no Chromium: widgets were not tried in a browser")
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, chrome: Browser) -> Iterator[Desk]:
    """JupyterLab."""
    started = Desk(Path(tmp_path_factory.mktemp("desk")))
    yield started
    started.close()


@pytest.fixture
def page(chrome: Browser) -> Iterator[Page]:
    """A page of its own, closed after the test."""
    context = chrome.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
