"""Lays a graph out from left to right, in layers; pure, and knows nothing of AWS.

1. Links that close a circle are set aside. 2. A node's layer is the longest way to it. 3. A link across several layers
gets a bend in each. 4. Neighbours decide the order within a layer. 5. Each node goes as near to its neighbours' height
as the order and the gaps allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 6
BEND_HEIGHT = 18.0

Pair = tuple[str, str]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Size:
    """Of a node, in the units of the drawing."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes: the middle of each node, and for each link the bends between its ends.

    `backward` links close a circle: they lead from right to left.
    """

    middles: Mapping[str, Point]
    bends: Mapping[Pair, tuple[Point, ...]]
    backward: frozenset[Pair]
    width: float
    height: float


def lay_out(sizes: Mapping[str, Size], links: Sequence[Pair], *, gap: Size) -> Layout:
    """Place nodes of these sizes so that most links lead rightwards. `gap` is the room between layers and between rows.

    Nodes without a link stand in rows of their own below the others. Links to unknown nodes are ignored.
    """
    links = [pair for pair in dict.fromkeys(links) if pair[0] in sizes and pair[1] in sizes]
    backward = circle_closing(list(sizes), links)
    forward = [pair for pair in links if pair not in backward]
    linked = [node for node in sizes if any(node in pair for pair in links)]
    layer_of = layers(linked, forward)
    columns, chains, halves = _columns_with_bends(linked, forward, layer_of, sizes)
    _order(columns, chains)
    heights = _heights(columns, chains, halves, gap.height)
    xs = _column_middles(columns, sizes, gap.width)
    middles = {node: (xs[layer_of[node]], heights[node]) for node in linked}
    bends = {
        pair: tuple((xs[layer], heights[bend]) for layer, bend in enumerate(chain, layer_of[pair[0]] + 1))
        for pair, chain in ((pair, chains[pair][1:-1]) for pair in forward)
    }
    lowest = max((y + sizes[node].height / 2 for node, (_, y) in middles.items()), default=-gap.height)
    lowest = max([lowest, *(y + BEND_HEIGHT / 2 for chain in bends.values() for _, y in chain)])
    _shelve([node for node in sizes if node not in middles], sizes, gap, xs, lowest, middles)
    width = max((x + sizes[node].width / 2 for node, (x, _) in middles.items()), default=0.0)
    feet = (y + sizes[node].height / 2 for node, (_, y) in middles.items())
    height = max([0.0, lowest, *feet])
    return Layout(middles, bends, frozenset(backward), width, height)


def circle_closing(nodes: Sequence[str], links: Sequence[Pair]) -> set[Pair]:
    """The links that lead back to where a walk along the links came from, in the order given."""
    targets: dict[str, list[str]] = {}
    for source, target in links:
        targets.setdefault(source, []).append(target)
    with_source = {target for _, target in links}
    found: set[Pair] = set()
    done: set[str] = set()

    def walk(node: str, trail: frozenset[str]) -> None:
        for target in targets.get(node, ()):
            if target in trail:
                found.add((node, target))
            elif target not in done:
                walk(target, trail | {target})
        done.add(node)

    for node in [*(n for n in nodes if n not in with_source), *nodes]:
        if node not in done:
            walk(node, frozenset({node}))
    return found


def layers(nodes: Sequence[str], links: Sequence[Pair]) -> dict[str, int]:
    """The nodes and bends of each layer; each link as a chain of node, bends, node; half of each height."""
    sources: dict[str, list[str]] = {node: [] for node in nodes}
    targets: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in links:
        sources[target].append(source)
        targets[source].append(target)
    found: dict[str, int] = {}

    def layer(node: str) -> int:
        if node not in found:
            found[node] = 1 + max((layer(source) for source in sources[node]), default=-1)
        return found[node]

    for node in nodes:
        layer(node)
    for node in nodes:
        if not sources[node] and targets[node]:
            found[node] = min(found[target] for target in targets[node]) - 1
    return found


def _columns_with_bends(
    nodes: Sequence[str], links: Sequence[Pair], layer_of: Mapping[str, int], sizes: Mapping[str, Size]
) -> tuple[list[list[str]], dict[Pair, list[str]], dict[str, float]]:
    """The nodes and bends of each layer; each link as a chain of node, bends, node; half the height of each."""
    columns: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    halves = {node: sizes[node].height / 2 for node in nodes}
    for node in nodes:
        columns[layer_of[node]].append(node)
    chains: dict[Pair, list[str]] = {}
    for source, target in links:
        chain = [source]
        for layer in range(layer_of[source] + 1, layer_of[target]):
            bend = f"{source}>{target}@{layer}"
            columns[layer].append(bend)
            halves[bend] = BEND_HEIGHT / 2
            chain.append(bend)
        chains[source, target] = [*chain, target]
    return columns, chains, halves


def _neighbours(chains: Mapping[Pair, Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    left: dict[str, list[str]] = {}
    right: dict[str, list[str]] = {}
    for chain in chains.values():
        for before, after in pairwise(chain):
            left.setdefault(after, []).append(before)
            right.setdefault(before, []).append(after)
    return left, right


def _order(columns: list[list[str]], chains: Mapping[Pair, Sequence[str]]) -> None:
    """Sort each column by where its neighbours are, forth and back, so that fewer links cross."""
    left, right = _neighbours(chains)
    rank = {node: float(row) for column in columns for row, node in enumerate(column)}

    def mean(of: Mapping[str, list[str]]) -> Callable[[str], float]:
        return lambda node: (
            sum(rank[other] for other in of[node]) / len(of[node]) if of.get(node) else rank[node]
        )

    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=mean(left if sweep % 2 == 0 else right))
            rank.update({node: float(row) for row, node in enumerate(column)})


def _heights(
    columns: Sequence[Sequence[str]],
    chains: Mapping[Pair, Sequence[str]],
    halves: Mapping[str, float],
    gap: float,
) -> dict[str, float]:
    """The height of each node's middle; the highest node begins at 0."""
    left, right = _neighbours(chains)
    heights: dict[str, float] = {}
    for column in columns:  # A first guess: all columns around one line.
        total = sum(2 * halves[node] for node in column) + gap * max(0, len(column) - 1)
        top = -total / 2
        for node in column:
            heights[node] = top + halves[node]
            top += 2 * halves[node] + gap
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else list(reversed(columns)):
            wanted = []
            for node in column:
                others = [*left.get(node, ()), *right.get(node, ())]
                wanted.append(
                    sum(heights[other] for other in others) / len(others) if others else heights[node]
                )
            room = [halves[a] + halves[b] + gap for a, b in pairwise(column)]
            heights.update(zip(column, nearest(wanted, room), strict=True))
    top = min((heights[node] - halves[node] for node in heights), default=0.0)
    return {node: height - top for node, height in heights.items()}


def nearest(wanted: Sequence[float], room: Sequence[float]) -> list[float]:
    """Places in the given order, `room` apart at least, whose squared distances to the wanted ones are least.

    With the room taken off it is a rising line through points: neighbours that would fall merge to their mean.
    """
    offsets = [0.0]
    for distance in room:
        offsets.append(offsets[-1] + distance)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=False):
        value, count = want - offset, 1
        while blocks and blocks[-1][0] > value:
            before, size = blocks.pop()
            value = (before * size + value * count) / (size + count)
            count += size
        blocks.append((value, count))
    flat = [value for value, count in blocks for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=False)]


def _column_middles(columns: Sequence[Sequence[str]], sizes: Mapping[str, Size], gap: float) -> list[float]:
    middles, x = [], 0.0
    for column in columns:
        width = max(sizes[node].width for node in column if node in sizes)
        middles.append(x + width / 2)
        x += width + gap
    return middles


def _shelve(
    nodes: Sequence[str],
    sizes: Mapping[str, Size],
    gap: Size,
    xs: Sequence[float],
    lowest: float,
    middles: dict[str, Point],
) -> None:
    """Put nodes without links into rows below, as wide as the drawing is, or six to a row."""
    wide = max(sizes[node].width for node in nodes) if nodes else 0.0
    a_row = max(len(xs), 6)
    y = lowest + gap.height
    for start in range(0, len(nodes), a_row):
        row = nodes[start : start + a_row]
        tall = max(sizes[node].height for node in row)
        for place, node in enumerate(row):
            middles[node] = (wide / 2 + place * (wide + gap.width / 2), y + tall / 2)
        y += tall + gap.height
