"""Lines from a program's output."""

import asyncio
import os

from labhelpers.database.output import Lines, OutputPipe


async def read(*chunks: bytes) -> list[str]:
    """The lines of an output that comes in these pieces."""
    found: list[str] = []
    lines = Lines(found.append)
    for chunk in chunks:
        lines.data_received(chunk)
    lines.connection_lost(None)
    assert lines.closed.done()
    return found


async def test_lines_come_whole_whatever_the_pieces() -> None:
    """A line that is split between two reads is one line, and the last needs no end."""
    assert await read(b"one\ntw", b"o\n", b"", b"three") == ["one", "two", "three"]


async def test_endless_line_comes_in_pieces() -> None:
    """Memory does not grow with it, and nothing is lost."""
    pieces = await read(*[b"x" * 50_000] * 4)
    assert len(pieces) > 1 and "".join(pieces) == "x" * 200_000


async def test_bytes_that_are_no_text_are_shown() -> None:
    """A broken line does not stop the others."""
    assert await read(b"\xff\xfe\nfine\n") == ["\ufffd\ufffd", "fine"]


async def test_pipe_ends_with_its_program() -> None:
    """Once our copy of the write end is closed, the program's end is the end of the pipe."""
    found: list[str] = []
    pipe = OutputPipe(found.append)
    await pipe.open()
    program = os.dup(pipe.write_end)
    pipe.handed_over()
    os.write(program, b"last words")
    os.close(program)
    async with asyncio.timeout(10):
        await pipe.drain(9)
    assert found == ["last words"]
    pipe.close()
