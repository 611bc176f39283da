"""Draw docs/views/: every view in a real JupyterLab, in light and in dark, and the page that shows them.

`make pictures` calls it; it needs Chromium.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser  # noqa: E402 - the tests' desk is not installed

import labhelpers  # noqa: E402
from tests.browser.desk import Desk, browser, chromium  # noqa: E402
from tests.browser.gallery import LATER, SET_UP, VIEWS, WORDS  # noqa: E402

FOLDER = ROOT / "docs" / "views"
THEMES = {"light": False, "dark": True}
PAGE = """# The views

What a learner sees in JupyterLab beside plain boto3, in its light and its dark theme. `make pictures` takes these
pictures anew. Each view is made by one line, and says the same in words: `print(view.to_text())`.
"""


def take(desk: Desk, chrome: Browser, theme: str) -> None:
    """A picture of each view in one theme."""
    desk.choose_theme(THEMES[theme])
    views = {name: view for name, view in VIEWS.items() if view[1].partition("(")[0] in labhelpers.__all__}
    desk.write("gallery.ipynb", SET_UP, *[line for _, line in views.values()])
    page = chrome.new_page(viewport={"width": 1000, "height": 900}, reduced_motion="reduce")
    notebook = desk.open(page, "gallery.ipynb")
    notebook.run_all()
    for name, (selector, _) in views.items():
        if name in LATER:
            notebook.run_line(LATER[name])
        view = notebook.view(selector)
        view.scroll_into_view_if_needed()
        page.wait_for_timeout(
            300
        )  # The last pictures of a page's own movement; nothing tells when it has ended.
        view.screenshot(path=FOLDER / f"{name}-{theme}.png")
    page.close()


def write_page() -> None:
    """The page with all pictures, each with words for those who can't see it."""
    parts = [PAGE]
    for name, (_, line) in VIEWS.items():
        if (FOLDER / f"{name}-light.png").exists():
            pictures = " ".join(
                f"![{WORDS[name]} In the {theme} theme.]({name}-{theme}.png)" for theme in THEMES
            )
            parts.append(f"## `{line}`\n\n{WORDS[name]}\n\n{pictures}\n")
    (FOLDER / "README.md").write_text("\n".join(parts), encoding="utf-8")


def main() -> None:
    """Take them all."""
    if chromium() is None:
        sys.exit("make pictures: no Chromium on this machine; on Debian `apt-get install chromium` brings it")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, browser() as chrome:
        desk = Desk(Path(home))
        try:
            for theme in THEMES:
                take(desk, chrome, theme)
        finally:
            desk.close()
    write_page()


if __name__ == "__main__":
    main()
