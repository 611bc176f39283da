"""The pictures: drawn from their sources, readable by everyone, and described in words."""

import importlib.util
import json
import platform
import re
import struct
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

IMAGES = Path(__file__).parent.parent / "Images"
NAMES = ["1a", "1b", "1c"]
SMALLEST_TEXT_PX = 13  # at 800 pixels wide, as a notebook shows a picture
SHAPES = ["customer", "provider", "people", "bucket", "function", "database", "gateway", "backend"]
SURFACES = ["card", "paper", "zone", *SHAPES]

every_picture = pytest.mark.parametrize("name", NAMES)


def _load_draw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("draw", IMAGES / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


draw = _load_draw()


def _source(name: str) -> str:
    return (IMAGES / f"{name}.svg").read_text(encoding="utf-8")


def _picture(name: str) -> bytes:
    return (IMAGES / f"{name}.png").read_bytes()


def _style(name: str) -> str:
    return ElementTree.parse(IMAGES / f"{name}.svg").getroot().findtext(draw.SVG + "style", "")


def _rules(name: str) -> dict[str, dict[str, str]]:
    """The drawing's style: for every class (or tag), its properties."""
    return {
        selector.lstrip("."): dict(re.findall(r"([a-z-]+): ([^;]+);", body))
        for selector, body in re.findall(r"([.\w-]+) {([^}]*)}", _style(name))
    }


def _luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance of #rrggbb."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    lighter, darker = sorted([_luminance(one), _luminance(other)], reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_folder_holds_the_pictures_of_the_course() -> None:
    """Notebooks and README name 1a, 1b and 1c; nothing else is drawn."""
    assert [drawing.stem for drawing in draw.drawings()] == NAMES
    assert sorted(picture.stem for picture in IMAGES.glob("*.png")) == NAMES


@every_picture
def test_picture_comes_from_the_current_drawing(name: str) -> None:
    """A changed drawing, font or renderer asks for `make images`."""
    assert draw.texts(_picture(name))["Drawn from"] == draw.digest(IMAGES / f"{name}.svg"), (
        "run `make images`"
    )


@every_picture
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="another processor may round the edge of a curve differently",
)
def test_drawing_again_gives_the_same_bytes(name: str) -> None:
    """The committed picture is what `make images` makes."""
    assert draw.draw(IMAGES / f"{name}.svg") == _picture(name)


@every_picture
def test_picture_is_sharp_and_light(name: str) -> None:
    """1600 pixels wide, for screens with fine pixels, and under 200 kB."""
    picture = _picture(name)
    kind, header = next(iter(draw.chunks(picture)))
    width, _height = struct.unpack_from(">II", header)
    assert (kind, width) == (b"IHDR", 1600)
    assert len(picture) < 200_000


@every_picture
def test_text_is_large_enough(name: str) -> None:
    """No text is smaller than 13 px in a notebook, and none is scaled."""
    root = ElementTree.parse(IMAGES / f"{name}.svg").getroot()
    assert root.get("viewBox", "").startswith("0 0 800 ")
    sizes = [float(size) for size in re.findall(r"font-size[:=]\s*\"?([\d.]+)", _source(name))]
    assert min(sizes) >= SMALLEST_TEXT_PX
    scaled = [element for element in root.iter() if "scale" in element.get("transform", "")]
    assert not [text for element in scaled for text in element.iter(draw.SVG + "text")]


@every_picture
def test_text_stands_out(name: str) -> None:
    """Every ink on every surface that it can stand on has WCAG AA's contrast of 4.5 to 1."""
    rules = _rules(name)
    surfaces = {surface: rules[surface]["fill"] for surface in SURFACES}
    for ink in ("text", "quiet"):
        for surface, colour in surfaces.items():
            assert _contrast(rules[ink]["fill"], colour) >= 4.5, (ink, surface)
    assert _contrast(rules["step"]["fill"], rules["badge"]["fill"]) >= 4.5


@every_picture
def test_outlines_stand_out(name: str) -> None:
    """The outline of what carries meaning has WCAG AA's contrast of 3 to 1 with its own fill and the card."""
    rules = _rules(name)
    for shape in SHAPES:
        for surface in (rules[shape]["fill"], rules["card"]["fill"]):
            assert _contrast(rules[shape]["stroke"], surface) >= 3, shape


def test_a_colour_means_the_same_in_every_picture() -> None:
    """The drawings share one style."""
    assert len({_style(name) for name in NAMES}) == 1


@every_picture
def test_drawing_needs_nothing_from_outside(name: str) -> None:
    """No embedded or remote image, font or script, and only characters that the fonts have."""
    root = ElementTree.parse(IMAGES / f"{name}.svg").getroot()
    tags = {element.tag.removeprefix(draw.SVG) for element in root.iter()}
    assert not tags & {"image", "script", "foreignObject"}
    assert all(element.get("href", "#").startswith("#") for element in root.iter())
    assert "@import" not in _style(name)
    assert _source(name).isascii()


@every_picture
def test_alt_text_fits_a_markdown_image(name: str) -> None:
    """Title and description both say something, in one line without Markdown's own signs."""
    root = ElementTree.parse(IMAGES / f"{name}.svg").getroot()
    assert all(len(root.findtext(draw.SVG + tag, "").strip()) >= 20 for tag in ("title", "desc"))
    alt = draw.alt_text(IMAGES / f"{name}.svg")
    assert not set(alt) & set('[]"\n`*_')
    assert len(alt) <= 420


@every_picture
def test_alt_text_is_told_by_the_drawing_alone(name: str) -> None:
    """alt.json and the picture itself repeat what the drawing tells."""
    alt = draw.alt_text(IMAGES / f"{name}.svg")
    assert json.loads((IMAGES / "alt.json").read_text(encoding="utf-8"))[name] == alt
    assert draw.texts(_picture(name))["Description"] == alt


def test_fonts_come_with_their_licence() -> None:
    """The bundled fonts are open, and say so."""
    assert all(font.exists() for font in draw.FONTS)
    assert "SIL OPEN FONT LICENSE" in (IMAGES / "fonts" / "OFL.txt").read_text(encoding="utf-8")
