"""Notebooks of the course in a real JupyterLab: run from top to bottom, then used as a learner uses them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import ROOT, Desk, Notebook

pytestmark = pytest.mark.browser


def use_pipeline(notebook: Notebook, page: Page) -> None:
    """05: a file that is chosen in the box travels the map; a trace opens what its functions were given."""
    live = notebook.view(".lv-map")
    live.scroll_into_view_if_needed()
    notebook.run_line("lab.clock_speed = 60")  # Its functions crash now and then: a try more takes a second.
    notebook.view(".lv-upload").locator("input").set_input_files(
        {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
    )
    expect(notebook.view(".lv-upload").get_by_text("✓ uploaded").first).to_be_visible()
    live.scroll_into_view_if_needed()
    expect(live.get_by_role("button", name=re.compile("S3 bucket inbox.*last: mine.csv"))).to_be_visible()
    expect(live.get_by_role("button", name=re.compile("S3 bucket archive.*last: mine.csv"))).to_be_visible()
    trace = notebook.view(".lv-trace")
    expect(trace.get_by_role("row", name=re.compile("bucket inbox.*Put mine.csv"))).to_be_visible()
    trace.get_by_role("button", name="Event").first.click()
    expect(trace.get_by_label("Event of function copier").first).to_contain_text('"key": "mine.csv"')


def use_concurrency(notebook: Notebook, page: Page) -> None:
    """08: the environments are there, and what they did is told in words too; the logs have what failed."""
    view = notebook.view(".lv-environments")
    view.scroll_into_view_if_needed()
    expect(view).to_contain_text("at once")
    view.get_by_text("In words").click()
    expect(view.locator("details")).to_have_attribute("open", "")
    logs = notebook.view(".lv-logs")
    logs.get_by_role("searchbox").fill("fatal")
    expect(logs.locator(".lv-kind-error")).to_have_count(6)
    expect(logs.locator(".lv-kind-error").first).to_contain_text("too many connections")


def use_rest_api(notebook: Notebook, page: Page) -> None:
    """13: requests are written into the console, and what both sides of the gateway saw is there."""
    console = notebook.view(".lv-api-console")
    console.get_by_label("Route").select_option(label="GET /health")
    console.get_by_role("button", name="Send").click()
    expect(console.locator(".lv-headline")).to_contain_text("✓ 200")
    expect(console.get_by_role("region", name="Body")).to_contain_text('"desk": "open"')
    console.get_by_label("Route").select_option(label="GET /price")
    console.get_by_label("Path").fill("/price?grams=500")
    console.get_by_label("Path").press("Enter")
    expect(console.get_by_role("region", name="Body")).to_contain_text("350 cents")
    expect(console.get_by_role("region", name="Event")).to_contain_text('"grams": 500')
    console.get_by_label("Route").select_option(label="POST /parcels/{number}/label")
    console.get_by_label("Path").fill("/parcels/17/label")
    console.get_by_label("Path").press("Enter")
    expect(console.locator(".lv-headline")).to_contain_text("✗ 504")
    expect(console.get_by_role("region", name="Steps")).to_contain_text(
        re.compile(r"function label: ran 3\d{3}")  # To its end, which nobody waited for.
    )


def use_plans(notebook: Notebook, page: Page) -> None:
    """14: the bill names its customers and its sources, and counts a call that is made now."""
    bill = notebook.view(".lv-bill")
    grace = bill.get_by_role("row", name=re.compile("^grace"))
    before = grace.text_content() or ""
    assert "$" in before
    notebook.run_line("ask(newer['value'])")
    expect(grace).not_to_have_text(before)
    bill.get_by_text("Where these prices come from").click()
    expect(bill.get_by_role("listitem").first).to_be_visible()


def use_chat(notebook: Notebook, page: Page) -> None:
    """16: what is written in one page of the chat is read in the other; the console connects and asks."""
    dora, emil = (page.frame_locator(f'iframe[title="Chat as {name}"]') for name in ("Dora", "Emil"))
    for frame, name in ((dora, "Dora"), (emil, "Emil")):
        expect(frame.locator("#state")).to_have_text(f"{name} is connected")
    dora.get_by_label("Say").fill("Hello <b>Emil</b>")
    dora.get_by_role("button", name="Send").click()
    expect(emil.locator("#said li").last).to_have_text("Dora: Hello <b>Emil</b>")
    emil.get_by_label("Say").fill("Hello Dora")
    emil.get_by_label("Say").press("Enter")
    expect(dora.locator("#said li").last).to_have_text("Emil: Hello Dora")
    ada = notebook.view(".lv-websocket-console").get_by_role("region", name="Ada")
    ada.get_by_role("button", name="Connect").click()
    expect(ada.get_by_text("● open")).to_be_visible()
    ada.get_by_label("Message of Ada").fill('{"action": "order"}')
    ada.get_by_label("Message of Ada").press("Enter")
    expect(ada.get_by_role("log").get_by_role("listitem").last).to_contain_text("a returned value")


USES: dict[str, Callable[[Notebook, Page], None]] = {
    "05_the_pipeline": use_pipeline,
    "08_concurrency": use_concurrency,
    "13_rest_api": use_rest_api,
    "14_keys_plans_money": use_plans,
    "16_websocket": use_chat,
}
TAKES_DOWN = ("lab.close()", "s3.delete_bucket(", "gateway.delete_api(")


def left_standing(name: str) -> str:
    """A notebook's text without the cells that take down what it has made."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and any(words in source for words in TAKES_DOWN):
            cell["source"] = ["pass"]
    return json.dumps(notebook)


@pytest.mark.parametrize("name", USES)
def test_a_notebook_runs_and_is_used(desk: Desk, page: Page, name: str) -> None:
    """No cell ends with an error, and the views answer; the lab is kept running for that."""
    source = ROOT / "notebooks"
    course = desk.folder / "course"
    course.mkdir(exist_ok=True)
    for folder in ("functions", "pages"):
        shutil.copytree(source / folder, course / folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "Images", desk.folder / "Images", dirs_exist_ok=True)
    (course / f"{name}.ipynb").write_text(left_standing(name), encoding="utf-8")
    desk.draw_all_cells(wanted=True)
    notebook = desk.open(page, f"course/{name}.ipynb")
    desk.draw_all_cells(wanted=False)
    notebook.run_all()
    USES[name](notebook, page)
    notebook.run_line("lab.close()")
