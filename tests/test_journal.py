"""The journal: what is noted becomes the entries that appending it would have made, when somebody reads."""

from __future__ import annotations

import asyncio

from labhelpers.journal import Entry, Journal

PATIENCE_S = 10


class Story:
    """Makes entries of a text's words, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.asked = 0

    def entries(self, seq: int, at: float, *words: str) -> list[Entry]:
        self.asked += 1
        return [Entry(seq + index, at, "word", word) for index, word in enumerate(words)]


def test_notes_are_entries_between_entries() -> None:
    """Numbered and dated as they came; made only by who reads, and the same for everyone."""
    times = iter([1.0, 2.0, 3.0])
    journal, story = Journal(lambda: next(times)), Story()
    journal.append("first")
    journal.note(3, story.entries, "a", "b", "c")
    last = journal.append("last")
    assert (story.asked, last.seq) == (0, 5)
    found = journal.since()
    assert [(each.seq, each.at, each.kind, each.resource) for each in found] == [
        (1, 1.0, "first", ""),
        (2, 2.0, "word", "a"),
        (3, 2.0, "word", "b"),
        (4, 2.0, "word", "c"),
        (5, 3.0, "last", ""),
    ]
    assert journal.since() == found


def test_reading_can_begin_within_a_note() -> None:
    """Who has seen some of its entries gets the others; who has seen all does not have them made."""
    journal, story = Journal(), Story()
    journal.note(3, story.entries, "a", "b", "c")
    journal.append("last")
    assert [each.seq for each in journal.since(2)] == [3, 4]
    assert [each.resource for each in journal.since(0, "wo")] == ["a", "b", "c"]
    asked = story.asked
    assert [each.kind for each in journal.since(3)] == ["last"] and story.asked == asked


def test_notes_count_as_what_they_stand_for() -> None:
    """The journal stays as small as it says, whatever it consists of."""
    journal, story = Journal(capacity=10), Story()
    for _ in range(100):
        journal.note(3, story.entries, "a", "b", "c")
        journal.append("one")
        seqs = [each.seq for each in journal.since()]
        assert 4 <= len(seqs) <= 10 and seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs[-1] == 400 and len(journal._blocks) <= 2


def test_who_waits_is_woken_by_the_next_entry() -> None:
    """By a note as by an entry, without having it worded; who has missed one does not wait, nor who gave up before."""

    async def main() -> None:
        journal, story = Journal(), Story()
        async with asyncio.timeout(PATIENCE_S):
            gave_up = asyncio.ensure_future(journal.more_than(0))
            both = [asyncio.ensure_future(journal.more_than(0)) for _ in range(2)]
            await asyncio.sleep(0)
            gave_up.cancel()
            journal.note(2, story.entries, "a", "b")
            await asyncio.gather(*both)
            await journal.more_than(0)
            await journal.more_than(1)
            later = asyncio.ensure_future(journal.more_than(2))
            await asyncio.sleep(0)
            assert not later.done() and story.asked == 0
            journal.append("one")
            await later
        assert [each.resource for each in journal.since(1)] == ["b", ""] and journal.last_seq == 3

    asyncio.run(main())


def test_who_follows_has_nothing_made_but_what_is_new() -> None:
    """Also when there is much before it, and when it begins within a note."""
    journal, old, new = Journal(), Story(), Story()
    for _ in range(100):
        journal.note(2, old.entries, "a", "b")
    journal.note(2, new.entries, "c", "d")
    assert [each.resource for each in journal.since(201)] == ["d"]
    assert (old.asked, new.asked) == (0, 1)
    assert journal.since(202) == [] and new.asked == 1
