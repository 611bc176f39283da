"""Laying a graph out from left to right."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.views.layout import Layout, Size, circle_closing, lay_out, layers, nearest

BOX = Size(100, 60)
GAP = Size(50, 20)


def placed(names: str, *links: str) -> Layout:
    """The layout of boxes with one-letter names and links such as `ab`."""
    return lay_out(dict.fromkeys(names, BOX), [(link[0], link[1]) for link in links], gap=GAP)


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    """Pairs of boxes that cover each other."""
    items = list(layout.middles.items())
    return [
        (a, b)
        for i, (a, (ax, ay)) in enumerate(items)
        for b, (bx, by) in items[i + 1 :]
        if abs(ax - bx) < BOX.width - 0.01 and abs(ay - by) < BOX.height - 0.01
    ]


def test_chain_is_one_straight_row() -> None:
    """The pipeline of the course: each thing right of the one before, all on one line."""
    layout = placed("dcba", "ab", "bc", "cd")
    assert [layout.middles[name] for name in "abcd"] == [(50, 30), (200, 30), (350, 30), (500, 30)]
    assert (layout.width, layout.height) == (550, 60)


def test_layer_is_the_longest_way() -> None:
    """A node stands right of all its sources."""
    assert layers("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]) == {
        "a": 0,
        "b": 1,
        "c": 2,
        "d": 3,
    }


def test_source_stands_near_its_target() -> None:
    """A late joiner does not stand at the far left."""
    assert layers("abcx", [("a", "b"), ("b", "c"), ("x", "c")])["x"] == 1


def test_circle_is_broken_at_the_link_that_leads_back() -> None:
    """A function that writes to its own bucket."""
    assert circle_closing("abc", [("a", "b"), ("b", "c"), ("c", "b")]) == {("c", "b")}
    layout = placed("abc", "ab", "bc", "cb")
    assert layout.backward == {("c", "b")}
    assert layout.middles["b"][0] < layout.middles["c"][0]


def test_link_to_itself_leads_back() -> None:
    """It needs no other node."""
    assert placed("a", "aa").backward == {("a", "a")}


def test_fan_keeps_the_order_that_crosses_least() -> None:
    """Two buckets with two functions each: the functions stand beside their own bucket."""
    layout = placed("xyabcd", "xa", "yb", "xc", "yd")
    heights = {name: y for name, (_, y) in layout.middles.items()}
    assert max(heights["a"], heights["c"]) < min(heights["b"], heights["d"])


def test_long_link_bends_around_what_is_between() -> None:
    """It has a bend in the layer that it crosses, clear of the box there."""
    layout = placed("abc", "ab", "bc", "ac")
    ((x, y),) = layout.bends["a", "c"]
    assert x == layout.middles["b"][0]
    assert abs(y - layout.middles["b"][1]) > BOX.height / 2


def test_things_without_links_stand_below() -> None:
    """In a row of their own."""
    layout = placed("abxy", "ab")
    assert layout.middles["x"][1] == layout.middles["y"][1] > layout.middles["a"][1] + BOX.height
    assert not overlapping(layout)


def test_nothing_at_all_has_no_size() -> None:
    """An empty account."""
    layout = placed("")
    assert (layout.width, layout.height) == (0, 0)


def test_link_to_an_unknown_node_is_ignored() -> None:
    """A notification may name a function that was deleted."""
    assert placed("a", "az").middles == {"a": (50, 30)}


@given(
    st.integers(1, 14).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=30)
        )
    )
)
def test_boxes_never_overlap(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """Whatever the links: every node has a place in the drawing, and links lead right or are known to lead back."""
    number, pairs = graph
    names = [chr(97 + i) for i in range(number)]
    links = [(names[a], names[b]) for a, b in pairs]
    layout = lay_out(dict.fromkeys(names, BOX), links, gap=GAP)
    assert set(layout.middles) == set(names)
    assert not overlapping(layout)
    assert all(y >= BOX.height / 2 - 0.01 for _, y in layout.middles.values())
    for source, target in links:
        if (source, target) not in layout.backward:
            assert layout.middles[source][0] < layout.middles[target][0]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [([0, 100], [0, 100]), ([0, 0], [-5, 5]), ([50, 0], [20, 30]), ([0, 0, 100], [-5, 5, 100]), ([3], [3])],
)
def test_nearest_places_keep_their_room(wanted: Sequence[float], expected: Sequence[float]) -> None:
    """As near to the wanted places as ten units of room between them allow."""
    assert nearest(wanted, [10] * (len(wanted) - 1)) == pytest.approx(expected)
