"""The cost sliders in a real JupyterLab: moved by keyboard, priced by the kernel, drawn by the page."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.desk import Desk

pytestmark = pytest.mark.browser


def test_sliders_move_both_bills(desk: Desk, page: Page) -> None:
    """Each choice is answered with new bills, words and lines; what was chosen is spoken to screen readers too."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    desk.write("costs.ipynb", "from labhelpers import CostSliders", "sliders = CostSliders()", "sliders")
    notebook = desk.open(page, "costs.ipynb")
    notebook.run_all()
    view = notebook.view(".lv-costs")
    funct, server = (view.get_by_role("region", name=name) for name in ("As a function", "As a server"))
    expect(funct).to_contain_text("$0.41")
    expect(server).to_contain_text("$7.59")
    expect(view.get_by_role("status")).to_contain_text("Both cost the same at 18.6 million calls a month.")
    memory = view.get_by_role("slider", name="Memory")
    memory.press("End")
    expect(memory).to_have_attribute("aria-valuetext", "10,240 MB")
    expect(funct).to_contain_text("$16.87")
    expect(view.get_by_role("status")).to_contain_text("The server is cheaper")
    label = view.get_by_role("img").get_attribute("aria-label") or ""
    assert "crosses it at 450,118 calls" in label and "1 million calls, $16.87" in label
    view.get_by_role("combobox").select_option("t4g.nano")
    expect(server).to_contain_text("$3.07")
    view.get_by_role("checkbox").check()
    expect(funct).to_contain_text("requests $0.00")
    notebook.run_line("assert sliders.costs.free_tier and sliders.costs.instance_type == 't4g.nano'")
    assert not errors
