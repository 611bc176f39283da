"""A stream's records: positions that survive trimming, and where a mapping begins."""

import pytest

from labhelpers.events.stream_log import ShardLog, StreamLog, StreamRecord, start_position


def record(number: int) -> StreamRecord:
    """A record that arrived at its number's second."""
    return StreamRecord(str(number), float(number), "key", b"{}")


def shard(*numbers: int) -> ShardLog:
    """A shard with these records."""
    made = ShardLog("shard")
    for number in numbers:
        made.append(record(number))
    return made


def numbers(records: list[StreamRecord]) -> list[int]:
    """Their sequence numbers."""
    return [int(one.sequence_number) for one in records]


def test_a_reader_follows_from_its_position() -> None:
    """Each look answers what is new, and where to look next."""
    log = shard(1, 2)
    records, position = log.follow(0)
    assert numbers(records) == [1, 2]
    log.append(record(3))
    records, position = log.follow(position)
    assert numbers(records) == [3]
    assert log.follow(position) == ([], 3)


def test_positions_survive_trimming() -> None:
    """What is trimmed is passed over; later positions stay what they were."""
    log = shard(1, 2, 3, 4)
    log.trim(3.0)
    assert (log.first, log.end) == (2, 4)
    assert numbers(log.read(0)) == [3, 4]
    assert numbers(log.read(3, 1)) == [4]
    assert numbers(log.follow(0)[0]) == [3, 4]
    assert log.position_of(4) == 3
    log.trim(100.0)
    assert (log.first, log.end) == (4, 4)
    assert log.last_sequence_number == "4"


def test_a_stream_forgets_after_its_retention() -> None:
    """Records older than the retention go from all shards."""
    stream = StreamLog("arn", retention_s=10)
    stream.add(shard(1, 20))
    stream.trim(25.0)
    assert numbers(stream.shards["shard"].read(0)) == [20]


@pytest.mark.parametrize(
    ("position", "at", "expected"),
    [("TRIM_HORIZON", None, 1), ("LATEST", None, 4), ("AT_TIMESTAMP", 2.5, 2), ("AT_TIMESTAMP", 99.0, 4)],
)
def test_a_mapping_begins_at_its_starting_position(position: str, at: float | None, expected: int) -> None:
    """The oldest record that is left, the next one to come, or the first one from a moment on."""
    log = shard(1, 2, 3, 4)
    log.trim(1.5)
    assert start_position(log, position, at) == expected


def test_listeners_may_leave_while_told() -> None:
    """Whoever stops listening in the middle harms nobody."""
    stream = StreamLog("arn")
    heard: list[str] = []

    def once(shard_id: str) -> None:
        heard.append(shard_id)
        stream.listeners.discard(once)

    stream.listeners |= {once, heard.append}
    stream.tell("shard")
    stream.tell("shard")
    assert heard == ["shard"] * 3
