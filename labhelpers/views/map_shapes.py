"""The shapes of the map's things and links as SVG path data, and their texts cut into lines; pure.

The page (live_map.js) and the saved picture (map_svg) both draw these, so they look the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from labhelpers.views.layout import Point, Size
from labhelpers.views.things import BUCKET, CLIENT, DATABASE

SIZES = {CLIENT: Size(84, 96)}
SIZE = Size(132, 96)
GAP = Size(80, 34)
MARGIN = 14.0
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
    if kind == DATABASE:
        lid = f"M{-w} {-h + LID}A{w} {LID} 0 0 1 {w} {-h + LID}"
        outline = f"{lid}V{h - LID}A{w} {LID} 0 0 1 {-w} {h - LID}Z"
        return Shape(outline, f"M{-w} {-h + LID}A{w} {LID} 0 0 0 {w} {-h + LID}", LID - 2)
    if kind == CLIENT:
        head = "M-11 -29A11 11 0 1 1 11 -29A11 11 0 1 1 -11 -29Z"
        shoulders = "M-22 4A22 20 0 0 1 22 4Z"
        return Shape(head + shoulders, "", 30)
    r = 9
    outline = (
        f"M{-w + r} {-h}H{w - r}A{r} {r} 0 0 1 {w} {-h + r}V{h - r}A{r} {r} 0 0 1 {w - r} {h}"
        f"H{-w + r}A{r} {r} 0 0 1 {-w} {h - r}V{-h + r}A{r} {r} 0 0 1 {-w + r} {-h}Z"
    )
    return Shape(outline)


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


def link_path(start: Point, bends: Sequence[Point], end: Point) -> tuple[str, Point]:
    """A smooth way from one thing's right side to another's left side; its path data, and where its label goes."""
    points = [start, *bends, end]
    path = f"M{_n(start[0])} {_n(start[1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y1 - y0) < 0.5:
            path += f"L{_n(x1)} {_n(y1)}"
        else:
            half = (x0 + x1) / 2
            path += f"C{_n(half)} {_n(y0)} {_n(half)} {_n(y1)} {_n(x1)} {_n(y1)}"
    (x0, y0), (x1, y1) = points[-2], points[-1]
    # Half way where the link is level; beyond the steep part, near its end, where it is not.
    along = 0.5 if abs(y1 - y0) < 20 else 0.72
    return path, _on_curve((x0, y0), (x1, y1), along)


def backward_path(start: Point, end: Point, below: float) -> tuple[str, Point]:
    """A way from the foot of one thing back to the foot of another, or of itself, along a line `below` both."""
    (x0, y0), (x1, y1) = start, end
    if abs(x0 - x1) < 1:
        x0, x1 = x0 + 16, x1 - 16
    path = (
        f"M{_n(x0)} {_n(y0)}C{_n(x0)} {_n(below)} {_n(x0)} {_n(below)} {_n((x0 + x1) / 2)} {_n(below)}"
        f"S{_n(x1)} {_n(below)} {_n(x1)} {_n(y1)}"
    )
    return path, ((x0 + x1) / 2, below)


def _on_curve(start: Point, end: Point, t: float) -> Point:
    """The point of the curve that `link_path` draws between two points."""
    half, u = (start[0] + end[0]) / 2, 1 - t
    weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
    xs, ys = (start[0], half, half, end[0]), (start[1], start[1], end[1], end[1])
    return sum(w * x for w, x in zip(weights, xs, strict=True)), sum(
        w * y for w, y in zip(weights, ys, strict=True)
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
