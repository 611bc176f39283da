"""Records of hot paths: cheap to make, and still dataclasses."""

import dataclasses

from labhelpers.records import record


@record
class _Point:
    x: int
    y: int = 2


def test_record_is_a_dataclass() -> None:
    """It compares and hashes by its fields, can be replaced, and has no room for others."""
    point = _Point(1)
    assert point == _Point(1, 2) != _Point(1, 3)
    assert {point: "found"}[_Point(1)] == "found"
    assert dataclasses.replace(point, y=5) == _Point(1, 5)
    assert not hasattr(point, "__dict__")
