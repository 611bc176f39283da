"""Trace headers: what they look like, and that they come back from text as they were."""

import re

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.events.tracing import TraceHeader, lineage_name, new_trace_id, parse_trace_header

NAMES = st.text("0123456789abcdef", min_size=8, max_size=8)
LINEAGES = st.lists(st.tuples(NAMES, st.integers(0, 20)), max_size=5, unique_by=lambda pair: pair[0]).map(
    tuple
)


def test_a_new_trace_has_x_rays_form() -> None:
    """A root of a time and 96 random bits, and a parent; nobody has decided on sampling."""
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16}", new_trace_id())


@given(LINEAGES, st.sampled_from(["", "0", "1"]))
def test_a_header_comes_back_from_its_text(lineage: tuple[tuple[str, int], ...], sampled: str) -> None:
    """What is written is what is read."""
    header = TraceHeader("1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8", sampled, lineage)
    assert parse_trace_header(str(header)) == header


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    """A header is a caller's text: whatever is unreadable in it counts as not there."""
    assert parse_trace_header(text).sampled in ("", "0", "1")


def test_functions_have_names_of_their_own() -> None:
    """Two functions are told apart in a lineage."""
    assert lineage_name("arn:a") != lineage_name("arn:b")
