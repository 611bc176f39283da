"""The ways of the map's links as SVG path data, and where their labels go, so that no other thing is crossed; pure.

Ends that meet at one side of a thing are spread over it. A way is level wherever it passes things, and climbs only in
the gaps between columns. Labels take the first of several places that is free.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from labhelpers.views.layout import Layout, Pair, Point
from labhelpers.views.map_shapes import MARGIN, SIZE

PORT_STEP = 24.0
PORTS_HEIGHT = 66.0  # The ends at one side of a thing take no more of its height.
TIP = 4.0
BELOW = 20.0  # A way that leads back runs so far below the things that it passes.
DETOUR = 13.0  # And so far beside the column that it leaves or reaches.
LABEL_ABOVE, LABEL_BELOW = 20.0, 22.0
COUNT_ABOVE = 4.0  # Where there is only the number: it begins so far below the label's place.
OVER = 26.0  # The number of a way that has one leading back below it stands so much higher, above its way.
LETTER = 6.6
COUNT_WIDTH = 30.0

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is drawn: its middle, half its size, and from its middle to where ways begin at its sides."""

    x: float
    y: float
    half_width: float
    half_height: float
    side: float

    @property
    def foot(self) -> float:
        return self.y + self.half_height


@dataclass(frozen=True, slots=True)
class Way:
    """A drawn link: its path data, and the middle of its label."""

    path: str
    label: Point


def draw_ways(places: Mapping[str, Place], labels: Mapping[Pair, str], layout: Layout) -> dict[Pair, Way]:
    """A way for each link, given with its label."""
    ends = {end for pair in labels for end in pair}
    linked = {
        name: place for name, place in places.items() if name in ends
    }  # The others stand below all ways.
    near = {pair for pair in labels if pair in layout.backward and _is_neighbour(pair, linked)}
    ports = _ports(places, labels, layout, near)
    taken: list[Box] = [
        (p.x - p.half_width, p.y - p.half_height, p.x + p.half_width, p.foot) for p in places.values()
    ]
    found: dict[Pair, Way] = {}
    for pair, label in labels.items():
        if pair in layout.backward and pair not in near:
            path, spots = _way_back(places[pair[0]], places[pair[1]], linked.values())
        else:
            bends = [] if pair in near else layout.bends[pair]
            path, spots = _way(places, pair, bends, ports)
        if not label and pair not in layout.backward and (pair[1], pair[0]) in labels:
            spots = [(x, y - OVER) for x, y in spots]
        spot = _free(spots, label, taken)
        taken.append(_label_box(spot, label))
        found[pair] = Way(path, spot)
    return found


def _is_neighbour(pair: Pair, places: Mapping[str, Place]) -> bool:
    """Whether a way back only crosses one gap between columns."""
    source, target = (places[name] for name in pair)
    return target.x < source.x and not any(target.x < place.x < source.x for place in places.values())


def _ports(
    places: Mapping[str, Place], links: Iterable[Pair], layout: Layout, near: set[Pair]
) -> dict[tuple[Pair, str], float]:
    """How far above or below its thing's middle each link begins and ends, in the order of where they come from."""
    sides: dict[tuple[str, int], list[tuple[float, Pair, str]]] = {}
    for pair in links:
        source, target = pair
        if pair in layout.backward and pair not in near:
            continue
        back = pair in near
        heights = [places[source].y, *(y + MARGIN for _, y in layout.bends.get(pair, ())), places[target].y]
        later = (
            0.5 if back else 0.0
        )  # Of two links between the same two things, the way back is the lower one.
        sides.setdefault((source, -1 if back else 1), []).append((heights[1] + later, pair, "start"))
        sides.setdefault((target, 1 if back else -1), []).append((heights[-2] + later, pair, "end"))
    offsets: dict[tuple[Pair, str], float] = {}
    for ends in sides.values():
        step = min(PORT_STEP, PORTS_HEIGHT / max(1, len(ends) - 1))
        for row, (_, pair, end) in enumerate(sorted(ends)):
            offsets[pair, end] = (row - (len(ends) - 1) / 2) * step
    return offsets


def _way(
    places: Mapping[str, Place],
    pair: Pair,
    bends: Sequence[Point],
    ports: Mapping[tuple[Pair, str], float],
) -> tuple[str, list[Point]]:
    """A smooth way between the sides of two things, level where it passes others; and places for its label."""
    source, target = (places[name] for name in pair)
    right = 1 if source.x < target.x else -1
    points = [(source.x + right * source.side, source.y + ports[pair, "start"])]
    spots: list[Point] = []
    for x, y in bends:
        points += [(x + MARGIN - SIZE.width / 2, y + MARGIN), (x + MARGIN + SIZE.width / 2, y + MARGIN)]
        spots.append((x + MARGIN, y + MARGIN))
    points.append((target.x - right * (target.side + TIP), target.y + ports[pair, "end"]))
    path = f"M{_n(points[0][0])} {_n(points[0][1])}"
    for (x0, y0), (x1, y1) in pairwise(points):
        if abs(y1 - y0) < 0.5:
            path += f"L{_n(x1)} {_n(y1)}"
        else:
            half = (x0 + x1) / 2
            path += f"C{_n(half)} {_n(y0)} {_n(half)} {_n(y1)} {_n(x1)} {_n(y1)}"
    curves = [(points[-2], points[-1]), (points[0], points[1])]
    spots += [_on_curve(*curve, along) for along in (0.5, 0.7, 0.3, 0.85) for curve in curves]
    return path, spots


def _way_back(source: Place, target: Place, places: Iterable[Place]) -> tuple[str, list[Point]]:
    """A way from right to left, below all things that it passes; from the foot where nothing stands below it."""
    others = [place for place in places if place not in (source, target)]
    if source == target:
        low = source.foot + BELOW
        x0, x1 = source.x + 18, source.x - 18
        bow = f"C{_n(x0)} {_n(low)} {_n(x1)} {_n(low)} {_n(x1)} {_n(source.foot + TIP)}"
        return f"M{_n(x0)} {_n(source.foot)}{bow}", [(source.x, low - 6)]
    passed = [p.foot for p in (*others, source, target) if target.x - 1 <= p.x <= source.x + 1]
    low = max(passed) + BELOW
    path, right = _down(source, low, others, out=1)
    up, left = _down(target, low, others, out=-1)
    middle = (left + right) / 2
    return f"{path}H{_n(left + 10)}{up}", [(middle, low), (middle - 40, low), (middle + 40, low)]


def _down(place: Place, low: float, others: Sequence[Place], *, out: int) -> tuple[str, float]:
    """From a thing down to `low` (out 1, at its right), or up from there (out -1, at its left); and at which x."""
    crowded = any(abs(other.x - place.x) < SIZE.width and other.y > place.y for other in others)
    x = place.x + out * (place.half_width + DETOUR) if crowded else place.x
    if out < 0:
        rise = f"Q{_n(x)} {_n(low)} {_n(x)} {_n(low - 10)}"
    else:
        rise = f"V{_n(low - 10)}Q{_n(x)} {_n(low)} {_n(x - 10)} {_n(low)}"
    if not crowded:
        return (f"M{_n(x)} {_n(place.foot)}{rise}" if out > 0 else f"{rise}V{_n(place.foot + TIP)}"), x
    side, y = place.x + out * place.side, place.y + 30
    if out > 0:
        return f"M{_n(side)} {_n(y)}H{_n(x - 6)}Q{_n(x)} {_n(y)} {_n(x)} {_n(y + 8)}{rise}", x
    return f"{rise}V{_n(y + 8)}Q{_n(x)} {_n(y)} {_n(x + 4)} {_n(y)}H{_n(side - TIP)}", x


# --- Labels ---


def _free(spots: Sequence[Point], label: str, taken: Sequence[Box]) -> Point:
    """The first place at which a label covers nothing; else that where it covers least."""
    return min(spots, key=lambda spot: sum(_overlap(_label_box(spot, label), box) for box in taken))


def _label_box(spot: Point, label: str) -> Box:
    half = max(LETTER * len(label), COUNT_WIDTH) / 2
    top = -LABEL_ABOVE if label else COUNT_ABOVE
    return spot[0] - half, spot[1] + top, spot[0] + half, spot[1] + LABEL_BELOW


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def _on_curve(start: Point, end: Point, t: float) -> Point:
    """The point of the curve that `_way` draws between two points."""
    half, u = (start[0] + end[0]) / 2, 1 - t
    weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
    xs, ys = (start[0], half, half, end[0]), (start[1], start[1], end[1], end[1])
    return sum(w * x for w, x in zip(weights, xs, strict=True)), sum(
        w * y for w, y in zip(weights, ys, strict=True)
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
