"""What functions write: binary, endless, huge, late or last, it arrives in order, and the cloud stays small."""

from __future__ import annotations

import asyncio
import os

import psutil
import pytest

from labhelpers.functions.log_stream import LogStream
from labhelpers.model import LogEvent
from tests.descriptors import descriptors
from tests.functions.function_lab import FunctionLab, function_lab

pytestmark = pytest.mark.asyncio(loop_scope="module")


def own_lines(lab: FunctionLab, name: str) -> list[str]:
    """The function's messages without Lambda's."""
    lambdas = ("INIT_START ", "START RequestId", "END RequestId", "REPORT RequestId")
    return [message for message in lab.messages(name) if not message.startswith(lambdas)]


async def test_lines_of_print_and_logging_keep_their_order(lab: FunctionLab) -> None:
    """Plain lines and framed records come through one pipe; a record is one event, whatever line breaks it has."""
    name = lab.function(
        "import logging, sys\nlog = logging.getLogger()\nlog.setLevel('INFO')\n"
        "def handler(e, c):\n"
        "    print('1')\n    log.info('2\\n3')\n    print('4', file=sys.stderr)\n    log.warning('5')\n    print('6')\n"
    )
    await lab.invoke(name)
    await lab.rested(name)
    first, second, third, fourth, fifth = own_lines(lab, name)
    assert [first, third, fifth] == ["1\n", "4\n", "6\n"]
    assert second.startswith("[INFO]\t") and second.endswith("\t2\n3\n")
    assert fourth.startswith("[WARNING]\t") and fourth.endswith("\t5\n")


async def test_line_left_open_stays_open(lab: FunctionLab) -> None:
    """What is printed without a line break is an event of its own before Lambda's next line."""
    name = lab.function("def handler(e, c): print('half', end='')\n")
    result = await lab.invoke(name, log_tail=True)
    assert own_lines(lab, name) == ["half"]
    assert f"halfEND RequestId: {result.request_id}\n".encode() in (result.log_tail or b"")


async def test_binary_output_is_kept_readable(lab: FunctionLab) -> None:
    """Bytes that are no UTF-8 become replacement characters; nothing is lost around them."""
    name = lab.function(
        "import os\ndef handler(e, c):\n    os.write(1, b'a\\xff\\xfeb\\n\\x00\\x01\\n')\n    print('after')\n"
    )
    await lab.invoke(name)
    await lab.rested(name)
    assert own_lines(lab, name) == ["a\ufffd\ufffdb\n", "\x00\x01\n", "after\n"]


async def test_bytes_that_look_like_a_frame(lab: FunctionLab) -> None:
    """A frame's magic number in a function's own output neither swallows nor delays what follows."""
    name = lab.function(
        "import os\ndef handler(e, c):\n"
        "    os.write(1, b'\\xa5\\x5a\\x00\\x03\\xff\\xff\\xff\\xff' + b'x' * 40 + b'\\n')\n"
        "    os.write(1, b'\\xa5\\x5a\\x00\\x03')\n    print('after')\n"
    )
    await lab.invoke(name)
    await lab.rested(name)
    first, second = own_lines(lab, name)
    assert first.endswith("x" * 40 + "\n") and second.endswith("after\n")


async def test_endless_line_is_cut(lab: FunctionLab) -> None:
    """A line longer than an event may be comes as several events, together exactly what was written."""
    name = lab.function("def handler(e, c): print('äb' * 300_000, end='')\n")
    await lab.invoke(name)
    await lab.rested(name)
    pieces = own_lines(lab, name)
    assert "".join(pieces) == "äb" * 300_000
    assert len(pieces) == 4 and all(len(piece.encode()) <= 262_144 - 26 for piece in pieces)


async def test_last_words_of_a_crash_are_kept(lab: FunctionLab) -> None:
    """Everything that was written before a runtime died is in the log, before the line that says so."""
    name = lab.function(
        "import os\ndef handler(e, c):\n"
        "    for n in range(5000): print(f'line {n}')\n    os.write(1, b'no end'); os.kill(os.getpid(), 9)\n"
    )
    await lab.invoke(name)
    await lab.rested(name)
    lines = own_lines(lab, name)
    assert lines[:5001] == [*(f"line {n}\n" for n in range(5000)), "no end"]
    assert lines[5001].startswith("RequestId: ") and len(lines) == 5002


async def test_closed_output_harms_nobody(lab: FunctionLab) -> None:
    """A handler that closes stdout and stderr still answers; its record of the next error has nowhere to go."""
    name = lab.function(
        "import os\ndef handler(e, c):\n    os.close(1)\n    os.close(2)\n    return 'fine'\n"
    )
    assert await lab.value(name) == "fine"
    await lab.failure(name)  # os.close(1) fails now.


async def test_tail_is_the_last_4_kb(lab: FunctionLab) -> None:
    """LogType=Tail gives the end of the log up to REPORT, 4 KB at most; without it there is none."""
    name = lab.function("def handler(e, c):\n    for n in range(2000): print(f'number {n}')\n")
    result = await lab.invoke(name, log_tail=True)
    assert result.log_tail is not None and len(result.log_tail) == 4096
    assert result.log_tail.endswith(lab.messages(name)[-1].encode())
    assert b"number 1999\nEND RequestId: " in result.log_tail
    assert (await lab.invoke(name)).log_tail is None


async def test_flood_is_bounded_and_slows_the_function_only() -> None:
    """A function that writes without end is ended on time; the cloud answers others meanwhile and stays small."""
    async with function_lab(log_kept_bytes=4 * 1024 * 1024) as lab:
        name = lab.function(
            "import os\nline = b'x' * 1023 + b'\\n'\nblock = line * 64\n"
            "def handler(e, c):\n    while True: os.write(1, block)\n",
            timeout_s=1,
        )
        quick = lab.function("def handler(e, c): return 1\n")
        before = psutil.Process().memory_info().rss
        flood = asyncio.create_task(lab.invoke(name, log_tail=True))
        for _ in range(5):
            assert await lab.value(quick) == 1
        result = await flood
        assert result.error is not None and result.error.type == "Sandbox.Timedout"
        assert b"x\n" in (result.log_tail or b"") and b"Task timed out" in (result.log_tail or b"")
        kept = own_lines(lab, name)
        assert kept[-2] == "The lab keeps 4 MB of a call's log; the rest was dropped.\n"
        assert 3_000_000 < sum(map(len, kept)) < 4 * 1024 * 1024
        assert psutil.Process().memory_info().rss - before < 50 * 1024 * 1024
        await lab.invoke(quick)
        lab.change(name, timeout_s=2)
        result = await lab.invoke(name)
        assert len(own_lines(lab, name)) > len(kept) + 3000, "each call has the whole allowance"


async def test_json_format(lab: FunctionLab) -> None:
    """With the JSON format the client and Lambda write objects, as AWS does."""
    import json

    name = lab.function(
        "import logging\nlog = logging.getLogger()\ndef handler(e, c):\n    log.warning('hello')\n    print('plain')\n"
        "    if e: raise ValueError('no')\n",
        log_format="JSON",
        system_log_level="INFO",
        application_log_level="INFO",
    )
    result = await lab.invoke(name)
    await lab.failure(name, True)
    await lab.rested(name)
    records = [json.loads(message) if message.startswith("{") else message for message in lab.messages(name)]
    init_start, start, record, plain, report = records[:5]
    assert init_start["type"] == "platform.initStart"
    day, instance = init_start["record"].pop("instanceId").rsplit("/", 1)
    assert instance.startswith(f"{name}[$LATEST]") and len(day) == 10
    assert init_start["record"]["instanceMaxMemory"] == 256 * 1024 * 1024
    assert start["type"] == "platform.start"
    assert start["record"] == {
        "requestId": result.request_id,
        "functionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        "version": "$LATEST",
    }
    assert [record["level"], record["message"], record["requestId"]] == [
        "WARNING",
        "hello",
        result.request_id,
    ]
    assert plain == "plain\n"
    assert report["type"] == "platform.report" and report["record"]["status"] == "success"
    assert report["record"]["metrics"].keys() == {
        "durationMs",
        "billedDurationMs",
        "memorySizeMB",
        "maxMemoryUsedMB",
        "initDurationMs",
    }
    error = next(entry for entry in records[5:] if entry != "plain\n" and entry.get("errorType"))
    assert [error["level"], error["errorMessage"]] == ["ERROR", "no"]


async def test_application_log_level_filters(lab: FunctionLab) -> None:
    """The client's logger is set to the function's level: what is below it is not written."""
    name = lab.function(
        "import logging\ndef handler(e, c):\n    logging.info('info')\n    logging.error('error')\n",
        log_format="JSON",
        application_log_level="ERROR",
    )
    await lab.invoke(name)
    await lab.rested(name)
    assert '"message": "error"' in lab.log(name) and '"message": "info"' not in lab.log(name)


async def test_system_log_level_filters(lab: FunctionLab) -> None:
    """At WARN only what went wrong is left of Lambda's own lines; at DEBUG there are more of them."""
    code = "def handler(e, c):\n    if e: raise ValueError\n"
    warn = lab.function(code, log_format="JSON", system_log_level="WARN")
    await lab.invoke(warn)
    await lab.rested(warn)
    assert lab.log(warn) == ""
    debug = lab.function(code, log_format="JSON", system_log_level="DEBUG")
    await lab.invoke(debug)
    await lab.rested(debug)
    assert "platform.runtimeDone" in lab.log(debug)


async def test_pipe_without_a_reader_is_closed() -> None:
    """A stream that is closed gives its descriptors back, and may be closed again."""
    before = descriptors()
    got: list[LogEvent] = []
    stream = LogStream(
        "group", "name", lambda _group, _name, events: got.extend(events), lambda _: None, 10_000
    )
    write_end = stream.open_pipe()
    os.write(write_end, b"one\ntwo")
    os.close(write_end)
    stream.close_pipe()
    stream.close_pipe()
    assert [event.message for event in got] == ["one\n", "two"]
    assert not descriptors() - before
