"""The views of a journal in a real JupyterLab: after a thousand updates more, their pages are as large as before."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import ROOT, Desk, Notebook

pytestmark = pytest.mark.browser

UPDATES_EACH = 1_000
SET_UP = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from labhelpers.views.feed import feed_of
from tests.conftest import wait_for
from tests.views.updates import FOLLOWING, OWN_ROOT, PassingLab, busy_moment, do_without_aws, take_frames
do_without_aws(setattr)
lab, api_lab = PassingLab(), PassingLab()  # All that the console's shows belongs to its own request.
views = {{name: make(api_lab if name == "ApiConsole" else lab, Path()) for name, make in FOLLOWING.items()}}
def update(first, last):
    for number in range(first, last):
        entries = busy_moment(number, str(number))
        lab.pass_on(entries)
        api_lab.pass_on(busy_moment(number, str(number), OWN_ROOT))
        take_frames(views["WebSocketConsole"], number, str(number), "")
        if number % 10 == 9:  # So many batches come, and no faster than Jupyter brings them to a page.
            wait_for(lambda: {{*feed_of(lab)._since.values()}} == {{entries[-1]["seq"]}})
"""
# The class of each view, and what it says after so many updates, the last of which has the number before.
SIGNS = {
    "LiveMap": (".lv-map", "{done}"),
    "Trace": (".lv-trace", "{last}.csv"),
    "Environments": (".lv-environments", "{done:,} environments"),
    "Logs": (".lv-logs", "KeyError: '{last}'"),
    "DataBrowser": (".lv-data", "1 object"),
    "ApiConsole": (".lv-api-console", "no luck with 150"),  # It is full by then.
    "WebSocketConsole": (".lv-websocket-console", '{{"said": "{last}"}}'),
    "Gauges": (".lv-gauges", "{done:,}"),
    "Bill": (".lv-bill", "{twice:,} requests"),
    "Meters": (".lv-meters", "{twice:,} calls"),
}
_ELEMENTS = "(root) => root.querySelectorAll('*').length"


def sizes(notebook: Notebook, done: int) -> dict[str, int]:
    """How many elements each view has on the page, when the page has the last of so many updates."""
    found = {}
    for name, (selector, sign) in SIGNS.items():
        view = notebook.view(selector)
        expect(view).to_contain_text(sign.format(done=done, last=done - 1, twice=2 * done))
        found[name] = view.evaluate(_ELEMENTS)
    return found


def test_pages_of_views_do_not_grow(desk: Desk, page: Page) -> None:
    """Whatever comes, what is drawn stays bounded; views that are closed leave the page."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk.write("leaks.ipynb", SET_UP, *(f"views[{name!r}]" for name in SIGNS))
    desk.draw_all_cells(wanted=True)
    notebook = desk.open(page, "leaks.ipynb")
    desk.draw_all_cells(wanted=False)
    notebook.run_all()
    notebook.run_line(f"update(0, {UPDATES_EACH})")
    first = sizes(notebook, UPDATES_EACH)
    notebook.run_line(f"update({UPDATES_EACH}, {2 * UPDATES_EACH})")
    second = sizes(notebook, 2 * UPDATES_EACH)
    grown = {name: (first[name], second[name]) for name in SIGNS if second[name] > 1.05 * first[name] + 20}
    assert not grown
    notebook.run_line("for view in views.values(): view.close()")
    expect(page.locator(".lv-root")).to_have_count(0)
    assert not errors
