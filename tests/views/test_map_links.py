"""The ways of the map's links."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.views.map_data import Picture, build_picture
from labhelpers.views.things import BUCKET, CALL, FUNCTION, Link, Resources, Thing


def drawn(number: int, links: list[tuple[int, int]]) -> Picture:
    """The picture of so many things, with links between them by their numbers."""
    things = tuple(Thing(f"t{n}", FUNCTION if n % 2 else BUCKET, f"t{n}") for n in range(number))
    return build_picture(
        Resources(things, tuple(Link(f"t{a}", f"t{b}", CALL) for a, b in dict.fromkeys(links)))
    )


def points_on(path: str) -> list[tuple[float, float]]:
    """Points along path data of the commands that ways are made of: M, L, H, V, Q and C."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    for command, text in re.findall(r"([MLHVQC])([-\d. ]+)", path):
        numbers = [float(part) for part in text.split()]
        if command in "HV":
            numbers = [numbers[0], y] if command == "H" else [x, numbers[0]]
        corners = [(x, y), *zip(numbers[::2], numbers[1::2], strict=True)]
        if command == "M":
            corners = corners[1:]
        for step in range(21):
            row = corners
            while len(row) > 1:  # De Casteljau: a line, a parabola or a cubic.
                t = step / 20
                row = [(ax + t * (bx - ax), ay + t * (by - ay)) for (ax, ay), (bx, by) in pairwise(row)]
            found.append(row[0])
        x, y = corners[-1]
    return found


def crossed(picture: Picture) -> list[tuple[str, str]]:
    """Links, and the things that they run behind though these are neither of their ends."""
    return [
        (arrow.id, node.id)
        for arrow in picture.arrows
        for node in picture.nodes
        if node.id not in (arrow.source, arrow.target)
        and any(
            abs(x - node.x) < node.width / 2 and abs(y - node.y) < node.height / 2
            for x, y in points_on(arrow.path)
        )
    ]


@given(
    st.integers(2, 10).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=16)
        )
    )
)
def test_no_way_runs_behind_another_thing(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """Whatever the links, circles among them: a reader could not tell where such a way leads."""
    assert not crossed(drawn(*graph))


def test_ways_that_meet_end_apart() -> None:
    """Three things that call a fourth: three tips, one below the other."""
    picture = drawn(4, [(0, 3), (1, 3), (2, 3)])
    tips = [points_on(arrow.path)[-1][1] for arrow in picture.arrows]
    assert len(set(tips)) == 3


def test_labels_do_not_cover_each_other() -> None:
    """The counters of ways that meet have room of their own."""
    picture = drawn(6, [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)])
    spots = [(arrow.label_x, arrow.label_y) for arrow in picture.arrows]
    for i, (ax, ay) in enumerate(spots):
        for bx, by in spots[i + 1 :]:
            assert abs(ax - bx) > 25 or abs(ay - by) > 12
