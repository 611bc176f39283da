"""The logs in a real JupyterLab: followed, filtered, and quick with 100,000 lines."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser

SET_UP = """
from pathlib import Path
import boto3
from labhelpers import Lab, Logs, deploy_function
lab = Lab()
Path("talk.py").write_text('''def handler(event, context):
    for number in range(event["lines"]):
        print(f"<b>line</b> {number}")
''')
deploy_function("talk", "talk.py", lab.role_arn, Timeout=30)
call = lambda lines: boto3.client("lambda").invoke(FunctionName="talk", Payload='{"lines": %d}' % lines)
call(3)["StatusCode"]
"""
MANY = """
import time
line = {"kind": "log", "resource": "arn:aws:lambda:us-east-1:1:function:talk", "request_id": "", "trace_id": ""}
entries = [{**line, "seq": 10**6 + n, "at": time.time(), "detail": {"message": f"many {n}"}} for n in range(120_000)]
for first in range(0, 120_000, 10_000):
    logs.on_entries(entries[first:first + 10_000])
"""


def test_lines_are_followed_and_filtered(desk: Desk, page: Page) -> None:
    """New lines come by themselves; markup is text; filters work; of 100,000 lines few are in the page at a time."""
    desk.write("logs.ipynb", SET_UP, "logs = Logs(lab)\nlogs")
    notebook = desk.open(page, "logs.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-logs")
    expect(view.get_by_text("<b>line</b> 2")).to_be_visible()
    expect(view.locator(".lv-kind", has_text="REPORT")).to_be_visible()
    view.get_by_role("checkbox", name="AWS's own lines").uncheck()
    expect(view.locator(".lv-note")).to_have_text(re.compile(r"3 lines of \d+ lines"))
    view.get_by_role("searchbox").fill("line</b> 1")
    expect(view.locator(".lv-line")).to_have_count(1)
    view.get_by_role("searchbox").fill("")
    notebook.run_line("call(2)['StatusCode']")
    expect(view.locator(".lv-line")).to_have_count(5)
    notebook.run_line(MANY)
    expect(view.locator(".lv-note")).to_contain_text("100,000", timeout=20_000)
    assert view.locator(".lv-line").count() < 100
    expect(view.get_by_text("many 119999", exact=True)).to_be_visible()
    assert page.evaluate(_SCROLL) < 100
    expect(view.get_by_role("checkbox", name="follow")).not_to_be_checked()


def test_lines_come_also_out_of_sight(desk: Desk, page: Page) -> None:
    """A view that nobody sees draws seldom, but it does: who reads by other means than eyes gets what is new."""
    desk.write("far.ipynb", SET_UP, "logs = Logs(lab)\nlogs", 'print("a line\\n" * 200)')
    desk.draw_all_cells(wanted=True)
    notebook = desk.open(page, "far.ipynb")
    desk.draw_all_cells(wanted=False)
    notebook.run_all()
    view = notebook.view(".lv-logs")
    page.get_by_text("a line").last.scroll_into_view_if_needed()
    page.mouse.wheel(0, 5000)
    expect(view).not_to_be_in_viewport()
    notebook.run_line("call(5)['StatusCode']")
    expect(view.get_by_text("<b>line</b> 4")).to_have_count(1)
    expect(view).not_to_be_in_viewport()


# Jumps through all lines, each drawn before the next; the most lines that were in the page at once.
_SCROLL = """async () => {
    const pane = document.querySelector(".lv-logs .lv-pane");
    let most = 0;
    for (let step = 0; step < 50; step++) {
        pane.scrollTop = (pane.scrollHeight * step) / 60;
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        most = Math.max(most, pane.querySelectorAll(".lv-line").length);
    }
    return most;
}"""
