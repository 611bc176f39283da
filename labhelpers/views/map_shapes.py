"""The shapes of the map's things as SVG path data, and their texts cut into lines; pure.

The page (live_map.js) and the saved picture (map_svg) both draw these, so they look the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labhelpers.views.layout import Size
from labhelpers.views.things import (
    API,
    BUCKET,
    BUS,
    CLIENT,
    DATABASE,
    QUEUE,
    RULE,
    SCHEDULE,
    STREAM,
    TABLE,
    TOPIC,
)

SIZES = {CLIENT: Size(84, 96)}
SIZE = Size(140, 96)
GAP = Size(66, 34)
MARGIN = 20.0
LINE_LETTERS = 16
LID = 9.0  # Half the height of the ellipse on top of a bucket or a database.


@dataclass(frozen=True, slots=True)
class Shape:
    """Path data around (0, 0): the outline, filled, and lines drawn on it. `shift` moves the texts down a little."""

    outline: str
    lines: str = ""
    shift: float = 0.0


def size_of(kind: str) -> Size:
    """Of a thing of that kind."""
    return SIZES.get(kind, SIZE)


def shape_of(kind: str) -> Shape:
    """The shape of a thing of that kind, its middle at (0, 0)."""
    size = size_of(kind)
    w, h = size.width / 2, size.height / 2
    if kind == BUCKET:
        foot = w - 11
        lid = f"M{-w} {-h + LID}A{w} {LID} 0 0 1 {w} {-h + LID}"
        outline = f"{lid}L{foot} {h - 6}A{foot} 6 0 0 1 {-foot} {h - 6}Z"
        return Shape(outline, f"M{-w} {-h + LID}A{w} {LID} 0 0 0 {w} {-h + LID}", LID - 2)
    if kind in (QUEUE, STREAM):  # A pipe, lying.
        x, bow = w - LID, f"A{LID} {h} 0 0"
        outline = f"M{-x} {-h}H{x}{bow} 1 {x} {h}H{-x}{bow} 1 {-x} {-h}Z"
        return Shape(outline, f"M{x} {-h}{bow} 0 {x} {h}")
    if kind in (DATABASE, TABLE):
        lid = f"M{-w} {-h + LID}A{w} {LID} 0 0 1 {w} {-h + LID}"
        outline = f"{lid}V{h - LID}A{w} {LID} 0 0 1 {-w} {h - LID}Z"
        return Shape(outline, f"M{-w} {-h + LID}A{w} {LID} 0 0 0 {w} {-h + LID}", LID - 2)
    if kind in (TOPIC, BUS, RULE, SCHEDULE):
        return _pointed(w, h, kind)
    if kind == CLIENT:
        head = "M-11 -29A11 11 0 1 1 11 -29A11 11 0 1 1 -11 -29Z"
        shoulders = "M-22 4A22 20 0 0 1 22 4Z"
        return Shape(head + shoulders, "", 30)
    r = 9
    posts = f"M{-w + r} {-h}V{h}M{w - r} {-h}V{h}" if kind == API else ""  # A gate.
    outline = (
        f"M{-w + r} {-h}H{w - r}A{r} {r} 0 0 1 {w} {-h + r}V{h - r}A{r} {r} 0 0 1 {w - r} {h}"
        f"H{-w + r}A{r} {r} 0 0 1 {-w} {h - r}V{-h + r}A{r} {r} 0 0 1 {-w + r} {-h}Z"
    )
    return Shape(outline, posts)


def _pointed(w: float, h: float, kind: str) -> Shape:
    """What sends on points to the right; what takes from others has a notch; a bus is open at both ends."""
    tip = w - 13
    left = f"L{-w} {h}L{-w + 10} 0L{-w} {-h}Z" if kind == RULE else f"H{-w}V{-h}Z"
    if kind == BUS:
        return Shape(f"M{-tip} {-h}H{tip}L{w} 0L{tip} {h}H{-tip}L{-w} 0Z")
    lines = f"M{-w + 8} {-h}V{h}" if kind == SCHEDULE else ""
    return Shape(f"M{-w} {-h}H{tip}L{w} 0L{tip} {h}{left}", lines)


def title_lines(name: str, letters: int = LINE_LETTERS) -> tuple[str, ...]:
    """A name in one or two lines, broken after a hyphen, dot or underscore if it has one; a long one is cut."""
    if len(name) <= letters:
        return (name,)
    if len(name) > 2 * letters:
        keep = 2 * letters - 1
        name = f"{name[: keep // 2 + 1]}…{name[-(keep // 2) :]}"
    breaks = [
        found.end() for found in re.finditer(r"[-_.…]", name) if len(name) - letters <= found.end() <= letters
    ]
    middle = len(name) / 2
    at = min(breaks, key=lambda place: abs(place - middle)) if breaks else letters
    return name[:at], name[at:]


def shorten(text: str, letters: int) -> str:
    """The text, its middle left out if it is longer."""
    if len(text) <= letters:
        return text
    keep = letters - 1
    return f"{text[: keep - keep // 2]}…{text[len(text) - keep // 2 :]}"
