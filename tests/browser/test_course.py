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
    """05: a file that is chosen in the box travels the map."""
    live = notebook.view(".lv-map")
    live.scroll_into_view_if_needed()
    notebook.view(".lv-upload").locator("input").set_input_files(
        {"name": "mine.csv", "mimeType": "text/csv", "buffer": b"a,b\n1,2\n"}
    )
    expect(notebook.view(".lv-upload").get_by_text("✓ uploaded").first).to_be_visible()
    live.scroll_into_view_if_needed()
    expect(live.get_by_role("button", name=re.compile("S3 bucket inbox.*last: mine.csv"))).to_be_visible()
    expect(live.get_by_role("button", name=re.compile("S3 bucket archive.*last: mine.csv"))).to_be_visible()


def use_concurrency(notebook: Notebook, page: Page) -> None:
    """08: the environments are there, and what they did is told in words too."""
    view = notebook.view(".lv-environments")
    view.scroll_into_view_if_needed()
    expect(view).to_contain_text("at once")
    view.get_by_text("In words").click()
    expect(view.locator("details")).to_have_attribute("open", "")


def use_nothing(notebook: Notebook, page: Page) -> None:
    """Every cell has run; that is what is looked at."""
    expect(page.locator(".jp-OutputArea-output").first).to_be_visible()


USES: dict[str, Callable[[Notebook, Page], None]] = {
    "05_the_pipeline": use_pipeline,
    "08_concurrency": use_concurrency,
    "13_rest_api": use_nothing,
    "14_keys_plans_money": use_nothing,
    "16_websocket": use_nothing,
}


def left_standing(name: str) -> str:
    """A notebook's text without the cells that take down what it has made."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and (
            source.startswith("lab.close()") or "s3.delete_bucket(" in source
        ):
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
