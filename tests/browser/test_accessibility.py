"""Every view in a real JupyterLab under axe-core's rules (WCAG 2.2 A and AA), in light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

import labhelpers
from tests.browser.desk import Desk
from tests.browser.gallery import LATER, SET_UP, VIEWS

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
BROKEN = '<p style="background: #fff"><img src="x"><span style="color: #ddd">pale</span></p>'


def problems(page: Page, selector: str) -> list[str]:
    """What axe finds in the parts of the page that are selected: rule, element, and how it is mended."""
    found: dict[str, Any] = Axe().run(page, selector, RULES).response
    return [
        f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


# axe cannot tell colours inside the notebook's clipped panels: the views stand on the bare page for it.
_COLLECT = """(view) => {
    const gallery = document.getElementById("gallery") ?? document.body.appendChild(document.createElement("div"));
    gallery.id = "gallery";
    gallery.append(view);
}"""
_SHOW = """() => {
    for (const child of document.body.children) if (child.id !== "gallery") child.style.display = "none";
    document.documentElement.style.overflow = document.body.style.overflow = "auto";
    document.body.style.background = "var(--jp-layout-color1)";
}"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_views_keep_the_rules(desk: Desk, page: Page, dark: bool) -> None:
    """No view breaks a rule; that axe looks is shown by a part that breaks two."""
    views = {name: view for name, view in VIEWS.items() if view[1].partition("(")[0] in labhelpers.__all__}
    desk.choose_theme(dark)
    desk.write("gallery.ipynb", SET_UP, *[line for _, line in views.values()])
    notebook = desk.open(page, "gallery.ipynb")
    notebook.run_all()
    for name in views:
        notebook.run_line(LATER.get(name, "pass"))
    desk.choose_theme(dark=False)
    for selector, _ in views.values():
        view = notebook.view(selector)
        view.scroll_into_view_if_needed()
        view.evaluate(_COLLECT)
    page.evaluate(_SHOW)
    broken = {
        name: found
        for name, (selector, _) in views.items()
        if (found := problems(page, f"#gallery {selector}"))
    }
    assert not broken
    page.evaluate("html => document.querySelector('.lv-logs').insertAdjacentHTML('afterbegin', html)", BROKEN)
    found = {line.partition(":")[0] for line in problems(page, ".lv-logs")}
    assert found == {"color-contrast", "image-alt"}
