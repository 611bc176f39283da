"""The views' colours can be read: WCAG 2.2 AA, in light and in dark, on JupyterLab's grounds."""

import re
from pathlib import Path

import pytest

import labhelpers.views

SHEET = (Path(labhelpers.views.__file__).parent / "common.css").read_text(encoding="utf-8")
# --jp-layout-color1 and 2 of JupyterLab's own themes, beside the fallbacks in the sheet.
GROUNDS = {"light": ("#ffffff", "#eeeeee"), "dark": ("#212121", "#424242")}
TEXTS = ("ink", "grey", "accent", "red", "green")
KINDS = ("client", "bucket", "function", "database", "queue", "sender")


def colours(theme: str) -> dict[str, str]:
    """Name to colour of one theme; of a variable with fallbacks the last one."""
    light, dark = (block.partition("}")[0] for block in SHEET.split(".lv-root {")[1:3])
    return {
        name: re.findall(r"#[0-9a-f]{6}", value)[-1]
        for name, value in re.findall(r"--lv-([\w-]+): ([^;]+);", light if theme == "light" else dark)
        if "#" in value
    }


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    """From 1 to 21."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(theme: str) -> None:
    """4.5:1 on the ground of a view, on raised parts, and on the grounds that kinds and errors have."""
    found = colours(theme)
    grounds = [*GROUNDS[theme], found["ground"], found["raised"]]
    pairs = [(found[text], ground) for text in TEXTS for ground in grounds]
    pairs += [(found[text], found[f"{kind}-ground"]) for kind in KINDS for text in ("ink", "red")]
    pairs += [(found["red"], found["red-ground"]), (found["ink"], found["red-ground"])]
    pairs += [(found["on-accent"], found["accent"])]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_borders_can_be_seen(theme: str) -> None:
    """3:1 for controls and for the shapes of the map."""
    found = colours(theme)
    parts = [found["control"], *(found[kind] for kind in KINDS)]
    assert [part for part in parts if contrast(part, GROUNDS[theme][0]) < 3] == []


def test_both_themes_name_the_same_colours() -> None:
    """None is forgotten in the dark."""
    assert set(colours("light")) == set(colours("dark"))


def test_every_variable_of_others_has_a_fallback() -> None:
    """A page outside JupyterLab defines none of its variables, and VS Code's are nowhere else."""
    folder = Path(labhelpers.views.__file__).parent
    files = [*folder.glob("*.css"), *folder.glob("*.js")]
    bare = {
        f"{file.name}: {found}"
        for file in files
        for found in re.findall(r"var\(\s*(--(?!lv-)[\w-]+)\s*\)", file.read_text(encoding="utf-8"))
    }
    assert files
    assert not bare
