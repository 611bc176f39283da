"""Progress in a real JupyterLab: there while work goes on, gone afterwards."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

CELL = """
from pathlib import Path
from labhelpers import wait_for
wait_for(lambda: Path("go.txt").exists(), "a file", pause_s=0.1)
"""


def test_bar_is_shown_and_goes(desk: Desk, page: Page) -> None:
    """With a role that screen readers know; the cell's own value stays."""
    (desk.folder / "go.txt").unlink(missing_ok=True)
    desk.write("progress.ipynb", CELL)
    notebook = desk.open(page, "progress.ipynb")
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.get_by_role("progressbar", name="waiting for a file")).to_be_visible()
    (desk.folder / "go.txt").touch()
    expect(page.locator(".jp-OutputArea-output", has_text="True")).to_be_visible()
    expect(page.get_by_role("progressbar", name="waiting for a file")).to_have_count(0)
    expect(page.get_by_text("waiting for a file:")).to_have_count(0)
    assert not notebook.errors()
