"""Progress in a real JupyterLab: there while work goes on, gone afterwards."""

from __future__ import annotations

import re
import zlib

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

CELL = """
from pathlib import Path
from labhelpers import wait_for
wait_for(lambda: Path("go.txt").exists(), "a file", pause_s=0.1)
"""

LAB = """
import threading, time
from pathlib import Path
import boto3
from labhelpers import Lab, wait_for
lab = Lab()
s3 = boto3.client("s3")
s3.create_bucket(Bucket="pictures")["Location"]

def put_when_told():
    while not Path("go.txt").exists():
        time.sleep(0.05)
    s3.put_object(Bucket="pictures", Key="cat.jpg", Body=b"cat")

threading.Thread(target=put_when_told).start()
"""
WAITER = """
print("before")
s3.get_waiter("object_exists").wait(Bucket="pictures", Key="cat.jpg", WaiterConfig={"Delay": 1})
"after"
"""
FAILURE = """
while not Path("go.txt").exists():
    time.sleep(0.05)
raise OSError("after")
"""
HELPER = """
wait_for(lambda: Path("go.txt").exists(), "a file", pause_s=0.1)
"after"
"""


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        (WAITER, r"this cell is running \(polling s3 HeadObject\): \d+ s"),
        (FAILURE, r"this cell is running: \d+ s"),
        (HELPER, r"waiting for a file: \d+ s"),
    ],
    ids=["waiter", "failure", "helper"],
)
def test_any_long_cell_has_one_bar(desk: Desk, page: Page, cell: str, line: str) -> None:
    """It goes with the cell, whatever ends it; what the cell shows stays, and nothing else is kept."""
    (desk.folder / "go.txt").unlink(missing_ok=True)
    name = f"progress_{zlib.crc32(cell.encode())}.ipynb"  # A kernel of its own.
    desk.write(name, LAB, cell)
    notebook = desk.open(page, name)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.get_by_role("progressbar", name=re.compile(line))).to_be_visible()
    expect(page.locator(".labhelpers-progress")).to_have_count(1)
    (desk.folder / "go.txt").touch()
    expect(page.locator(".jp-OutputArea-output", has_text="after")).to_be_visible()
    expect(page.locator(".labhelpers-progress")).to_have_count(0)
    if cell == WAITER:
        expect(page.locator(".jp-OutputArea-output", has_text="before")).to_be_visible()
    assert notebook.failures() == (["OSError: after"] if cell == FAILURE else [])
    assert "running" not in page.evaluate(_KEPT)


_KEPT = """() => JSON.stringify(
    [...window.jupyterapp.shell.currentWidget.content.model.cells].map((cell) => cell.outputs.toJSON())
)"""


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
