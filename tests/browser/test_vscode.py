"""The views' colours as VS Code's notebooks would show them, which cannot be installed here: its page is imitated.

Its webviews name the theme on their body and give it as --vscode-*; its widgets bring ipywidgets' own labvariables.css,
which sets --jp-layout-* to a light theme's colours whatever the theme is.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from labhelpers.views.view import style
from tests.browser.test_accessibility import problems

pytestmark = pytest.mark.browser

PAGE = """<html lang="en"><title>x</title><style>
:root {{ --jp-layout-color0: white; --jp-layout-color1: white; --jp-layout-color2: #eeeeee;
         --vscode-editor-background: {ground}; --vscode-editorWidget-background: {raised}; }}
{style}</style>
<body class="{theme}" data-vscode-theme-kind="{theme}"><main><h1>x</h1><div class="lv-root">
<p>ink</p><p class="lv-note">grey</p><p class="lv-problem">red</p><p class="lv-end">the end</p>
<button>press</button><button class="lv-main">press</button>
</div></main>"""
GROUNDS = {
    "vscode-light": ("#ffffff", "#f3f3f3"),
    "vscode-dark": ("#1e1e1e", "#252526"),
    "vscode-high-contrast": ("#000000", "#0c141f"),
    "vscode-high-contrast-light": ("#ffffff", "#ffffff"),
}


@pytest.mark.parametrize("theme", GROUNDS)
def test_views_take_the_colours_of_vs_code(chrome: Browser, theme: str) -> None:
    """A view has the editor's ground, not the light one of Jupyter's widgets, and axe can read all on it."""
    ground, raised = GROUNDS[theme]
    page = chrome.new_page()
    page.set_content(PAGE.format(style=style("logs"), theme=theme, ground=ground, raised=raised))
    seen = page.locator(".lv-root").evaluate("view => getComputedStyle(view).backgroundColor")
    assert seen == f"rgb({', '.join(str(int(ground[i : i + 2], 16)) for i in (1, 3, 5))})"
    assert problems(page, ".lv-root") == []
    page.close()
