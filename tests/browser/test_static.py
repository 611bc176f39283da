"""A notebook that was run and made a web page by nbconvert: what is seen of the views without a kernel or a network."""

from __future__ import annotations

import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page

from tests.browser.gallery import LATER, SET_UP, VIEWS
from tests.browser.test_accessibility import problems

pytestmark = pytest.mark.browser

CHART = """
import altair
from labhelpers.views.chart import draw_chart
chart = altair.Chart(altair.Data(values=[{"a": 1}])).mark_point().encode(x="a:Q")
draw_chart(chart, "One point, at 1.")
"""
# What the static form of each view says: in text, or in the description of its picture.
SAYS = {
    "map": "You -> bucket inbox",
    "trace": "function greet: ran",
    "environments": "Execution environments",
    "logs": "REPORT RequestId",
    "data": "cat.jpg",
    "api-console": "API console",
    "websocket-console": "Client 1",
    "gauges": "plan free, key ada",
    "bill": "AWS Lambda",
    "costs": "calls a month",
    "meters": "Always-on server",
    "editor": "def handler",
    "event-form": '"name": "Ada"',
    "upload": "Upload box",
    "chart": "One point, at 1.",
}
_SHOWN = """(areas) => areas.map((area) => {
    const pictures = [...area.querySelectorAll("img")];
    return {
        words: [area.innerText, ...pictures.map((picture) => picture.alt)].join(" "),
        drawn: pictures.every((picture) => picture.complete && picture.naturalWidth > 0),
        seen: area.offsetHeight > 10 && area.scrollWidth <= area.clientWidth + 1,
        fonts: [...area.querySelectorAll("pre")].map((text) => getComputedStyle(text).fontFamily),
    };
})"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The gallery after a run, as it is saved: Jupyter's pages keep no state of widgets unless they are told to."""
    made = nbformat.v4.new_notebook()
    cells = [SET_UP + LATER["gauges"], *[line for _, line in VIEWS.values()], CHART, "lab.close()"]
    made.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    folder = tmp_path_factory.mktemp("static")
    client = NotebookClient(
        made, kernel_name="python3", store_widget_state=False, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return made


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_views_can_be_read_on_a_page_alone(
    notebook: nbformat.NotebookNode, chrome: Browser, tmp_path: Path, theme: str
) -> None:
    """Opened from a file and offline, each view is there in words or as a picture with words; axe finds nothing."""
    file = tmp_path / "page.html"
    # Where a bar was, an output without anything is left; nbconvert says so, and leaves it out.
    warnings.filterwarnings("ignore", r"Your element with mimetype\(s\) dict_keys\(\[\]\) is not able")
    text, _ = HTMLExporter(theme=theme).from_notebook_node(notebook)
    file.write_text(text, encoding="utf-8")
    context = chrome.new_context(offline=True, viewport={"width": 1000, "height": 900})
    page: Page = context.new_page()
    page.goto(file.as_uri(), wait_until="load")
    shown = page.locator(".jp-OutputArea-child").evaluate_all(_SHOWN)
    shown = [area for area in shown if area["words"].strip()][-len(SAYS) :]
    wrong = {
        name: area
        for name, area in zip(SAYS, shown, strict=True)
        if SAYS[name] not in area["words"]
        or "Error displaying" in area["words"]
        or not (area["drawn"] and area["seen"])
    }
    assert not wrong
    assert all(font.endswith("monospace") for area in shown for font in area["fonts"])
    assert problems(page, ".jp-OutputArea-output") == []
    context.close()
