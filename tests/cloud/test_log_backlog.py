"""Log events on their way to moto: in order, all of them, once."""

from __future__ import annotations

from labhelpers.cloud.log_backlog import LogBacklog, Writing, writings
from labhelpers.model import LaterLogEvents, LogEvent
from labhelpers.packed import BLOCK_LENGTH

COUNT = 3 * BLOCK_LENGTH + 5


def word(number: int) -> list[LogEvent]:
    """An event of that number."""
    return [LogEvent(number, str(number))]


def filled() -> LogBacklog:
    """As many writings, of events that are there and of events to be made, for two groups."""
    backlog = LogBacklog()
    for number in range(COUNT):
        events = word(number) if number % 2 else LaterLogEvents(word, (number,))
        backlog.add(f"/group/{number % 2}", "stream", events, float(number))
    return backlog


def check(found: list[Writing], first: int) -> None:
    """These are the writings from that number on."""
    for number, writing in enumerate(found, first):
        assert (writing.group, writing.stream, writing.at) == (f"/group/{number % 2}", "stream", number)
        assert writing.events() == word(number)


def test_all_is_taken_in_order() -> None:
    """And nothing is left."""
    backlog = filled()
    assert len(backlog) == COUNT and backlog.groups == {"/group/0", "/group/1"}
    found = list(writings(backlog.take()))
    assert len(found) == COUNT and not len(backlog) and not backlog.groups
    check(found, 0)
    assert backlog.take() == []


def test_some_are_taken_and_more_come() -> None:
    """At least as many as are asked for, oldest first; what was taken does not change any more."""
    backlog = filled()
    first = backlog.take(BLOCK_LENGTH + 1)
    rest = backlog.take(COUNT)
    backlog.add("/group/0", "stream", LaterLogEvents(word, (COUNT,)), float(COUNT))
    last = backlog.take()
    parts = [list(writings(part)) for part in (first, rest, last)]
    assert BLOCK_LENGTH < len(parts[0]) < COUNT and [len(parts[0]) + len(parts[1]), len(parts[2])] == [
        COUNT,
        1,
    ]
    check(parts[0], 0)
    check(parts[1], len(parts[0]))
