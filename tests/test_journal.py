"""The journal: what is noted becomes the entries that appending it would have made, when somebody reads."""

from __future__ import annotations

import asyncio

from labhelpers.journal import Entry, Journal


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
    assert seqs[-1] == 400 and len(journal._kept) <= 6


def test_followers_hear_of_notes_at_once() -> None:
    """Entry by entry, made once for all of them and for who reads later."""

    async def main() -> None:
        journal, story = Journal(), Story()
        with journal.subscribe() as one, journal.subscribe() as other:
            journal.note(2, story.entries, "a", "b")
            heard = [one.get_nowait(), one.get_nowait()]
            assert [other.get_nowait(), other.get_nowait()] == heard
        assert [each.resource for each in heard] == ["a", "b"] and journal.since() == heard
        assert story.asked == 1

    asyncio.run(main())
