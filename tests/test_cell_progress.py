"""Progress of whole cells, in a real kernel: seen below a long cell, never in the way, nothing of it kept."""

from __future__ import annotations

import queue
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.waiter
import pytest
from botocore.awsrequest import AWSResponse
from jupyter_client.manager import start_new_kernel
from nbformat import NotebookNode

from labhelpers import cell_progress
from labhelpers.cell_progress import call_under_way, watch_cells

PATIENCE_S = 30
SETUP = """
import threading, time
from pathlib import Path
from labhelpers import cell_progress, progress
from labhelpers.cell_progress import watch_cells

progress.SHOWN_AFTER_S = cell_progress._AFTER_HELPERS_S = 0.0
progress._AGAIN_S = 0.01
go = Path({go!r})

def wait():
    deadline = time.monotonic() + 30
    while not go.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)

watching = watch_cells()
watching.__enter__()
"""
RUNS = "this cell is running"


class Kernel:
    """A kernel that watches its cells. They `wait()` until a test has seen enough."""

    def __init__(self, go: Path) -> None:
        self.go = go
        self._manager, self._client = start_new_kernel(kernel_name="python3")
        self.run(SETUP.format(go=str(go)))

    def run(
        self, code: str, *, until: Callable[[dict[str, Any]], bool] | None = None
    ) -> list[dict[str, Any]]:
        """The messages of a cell. It is let go when `until` is true of one of them."""
        self.go.unlink(missing_ok=True)
        cell = self._client.execute(textwrap.dedent(code), allow_stdin=True)
        messages = []
        for message in self._messages(cell):
            messages.append(message)
            if until is not None and until(message):
                self.go.touch()
        assert until is None or self.go.exists()
        return messages

    def _messages(self, cell: str) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            except queue.Empty:
                raise AssertionError("the cell does not end") from None
            assert time.monotonic() < deadline
            if message["parent_header"].get("msg_id") != cell or message["msg_type"] == "execute_input":
                continue
            if message["content"].get("execution_state") == "idle":
                return
            if message["msg_type"] != "status":
                yield message

    def value(self, expression: str) -> str:
        """What an expression of Python is shown as."""
        [shown] = [
            text(message) for message in self.run(expression) if message["msg_type"] == "execute_result"
        ]
        return shown

    def answer(self, words: str) -> str:
        """Answer the cell that asks; what it asks."""
        asked = self._client.get_stdin_msg(timeout=PATIENCE_S)
        self._client.input(words)
        return str(asked["content"]["prompt"])

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()

    def end(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel for the tests of this file."""
    running = Kernel(tmp_path_factory.mktemp("kernel") / "go")
    yield running
    running.end()


def text(message: dict[str, Any]) -> str:
    """What a message shows."""
    content = message["content"]
    return str(content["text"] if "text" in content else content.get("data", {}).get("text/plain", ""))


def shows(words: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a message shows these words."""
    return lambda message: words in text(message)


def bars(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of the bar, which are those with its display id."""
    return [
        message
        for message in messages
        if message["content"].get("transient", {}).get("display_id", "").startswith("labhelpers-progress")
    ]


def is_empty_bar(message: dict[str, Any]) -> bool:
    """Whether a message takes the bar away, or says where it will be."""
    return bool(bars([message])) and message["content"]["data"] == {}


def outputs(messages: list[dict[str, Any]]) -> list[NotebookNode]:
    """A cell's outputs as nbval collects and merges them."""
    from nbval.plugin import coalesce_streams

    collected = [
        NotebookNode(output_type=message["msg_type"], **message["content"])
        for message in messages
        if message["msg_type"] in {"display_data", "execute_result", "stream", "error"}
    ]
    return [output for output in coalesce_streams(collected) if output.get("data") != {}]


@pytest.mark.parametrize(
    ("code", "last"),
    [("wait(); 'done'", "execute_result"), ("wait(); 1 / 0", "error"), ("%%time\nwait()", "stream")],
    ids=["succeeds", "fails", "magic"],
)
def test_long_cell_is_shown_and_then_empty(kernel: Kernel, code: str, last: str) -> None:
    """One output, empty when it comes and when the cell ends; what the cell itself shows is there."""
    messages = kernel.run(code, until=shows(RUNS))
    shown = bars(messages)
    assert [message["msg_type"] for message in shown[:2]] == ["display_data", "update_display_data"]
    assert shown[0]["content"]["data"] == shown[-1]["content"]["data"] == {}
    assert "<progress" in shown[1]["content"]["data"]["text/html"]
    assert len({message["content"]["transient"]["display_id"] for message in shown}) == 1
    assert last in {message["msg_type"] for message in messages if message not in shown}


def test_interrupted_cell_is_empty_too(kernel: Kernel) -> None:
    """The stop button ends the bar with the cell."""
    messages = kernel.run("wait()", until=lambda message: shows(RUNS)(message) and kernel.interrupt() is None)
    assert bars(messages)[-1]["content"]["data"] == {}


def test_awaiting_cell_is_shown_and_then_empty(kernel: Kernel) -> None:
    """A cell with `await` runs on the kernel's loop."""
    code = "import asyncio\nwhile not go.exists():\n    await asyncio.sleep(0.01)"
    shown = bars(kernel.run(code, until=shows(RUNS)))
    assert shown[-1]["content"]["data"] == {}


def test_short_cell_shows_nothing(kernel: Kernel) -> None:
    """Nor is there a thread left of the cells before it."""
    kernel.run("progress.SHOWN_AFTER_S = 60.0")
    try:
        assert not bars(kernel.run("1 + 1"))
        count = "sum(thread.name == 'labhelpers-progress' for thread in threading.enumerate())"
        assert kernel.value(count) == "1"  # Its own.
    finally:
        kernel.run("progress.SHOWN_AFTER_S = 0.0")


def test_cell_with_and_without_bar_compares_equal(kernel: Kernel) -> None:
    """A notebook says the same on a fast machine and on a slow one."""
    code = "print('before')\nwait()\nprint('after')\n42"
    slow = kernel.run(code, until=shows(RUNS))
    kernel.run("watching.__exit__(None, None, None)")
    try:
        fast = kernel.run(code, until=shows("before"))
    finally:
        kernel.run("watching = watch_cells(); watching.__enter__()")
    assert bars(slow)
    assert not bars(fast)
    for output in (slow_outputs := outputs(slow)) + (fast_outputs := outputs(fast)):
        output.pop("execution_count", None)
    assert slow_outputs == fast_outputs
    assert fast_outputs[0].text == "before\nafter\n"


def test_helper_in_a_cell_is_shown_alone(kernel: Kernel) -> None:
    """In the same output, in place of the cell; when it is over, the cell's own line comes again."""
    code = """
        from labhelpers import wait_for
        wait()
        go.unlink()
        wait_for(go.exists, "a file", pause_s=0.01)
        go.unlink()
        wait()
    """
    wanted = [RUNS, "waiting for a file", RUNS]
    seen: list[str] = []

    def is_next(message: dict[str, Any]) -> bool:
        if len(seen) < len(wanted) and not kernel.go.exists() and shows(wanted[len(seen)])(message):
            seen.append(text(message))
            return True
        return False

    shown = bars(kernel.run(code, until=is_next))
    assert len(seen) == len(wanted)
    assert len({message["content"]["transient"]["display_id"] for message in shown}) == 1
    assert [message["msg_type"] for message in shown].count("display_data") == 1
    assert shown[-1]["content"]["data"] == {}


def test_cell_that_clears_its_output_has_no_bar(kernel: Kernel) -> None:
    """What it shows is its own way of saying how far it is."""
    code = """
        from IPython.display import clear_output
        wait()
        go.unlink()
        clear_output(wait=True)
        print("cleared")
        wait()
        print("end")
    """
    gone = [False]

    def is_next(message: dict[str, Any]) -> bool:
        if message["msg_type"] == "clear_output":
            gone[0] = True
        return is_empty_bar(message) if gone[0] else shows(RUNS)(message)

    messages = kernel.run(code, until=is_next)
    cleared = [message["msg_type"] for message in messages].index("clear_output")
    assert {str(message["content"]["data"]) for message in bars(messages[cleared:])} <= {"{}"}
    assert bars(messages)[-1]["content"]["data"] == {}


def test_bar_waits_for_the_end_of_a_line(kernel: Kernel) -> None:
    """A line of dots, or a bar of the cell's own, stays in one piece."""
    kernel.run("asks = cell_progress._asks_for_input")
    code = """
        print("dots: .", end="")
        cell_progress._asks_for_input = asks
        wait()
        print(".")
        go.unlink()
        wait()
    """
    kernel.run("cell_progress._asks_for_input = lambda _: True")  # No bar before the line is there.
    try:
        messages = kernel.run(code, until=lambda message: shows("dots")(message) or shows(RUNS)(message))
    finally:
        kernel.run("cell_progress._asks_for_input = asks")
    first = messages.index(bars(messages)[0])
    assert "".join(text(message) for message in messages[:first]) == "dots: ..\n"


def test_bar_is_away_while_the_cell_asks(kernel: Kernel) -> None:
    """Nothing runs then, and the prompt is in its place."""
    code = "wait()\nname = input('your name? ')\nname"
    answered: list[str] = []

    def is_next(message: dict[str, Any]) -> bool:
        if kernel.go.exists() and is_empty_bar(message):
            answered.append(kernel.answer("Ada"))
        return shows(RUNS)(message)

    messages = kernel.run(code, until=is_next)
    assert answered == ["your name? "]
    assert "'Ada'" in {text(message) for message in messages}


def test_captured_outputs_are_without_the_bar(kernel: Kernel) -> None:
    """A cell magic that keeps what a cell shows keeps the cell's own."""
    messages = kernel.run("%%capture captured\nprint('mine')\nwait()", until=shows(RUNS))
    assert bars(messages)[-1]["content"]["data"] == {}
    assert kernel.value("captured.outputs, captured.stdout") == "([], 'mine\\n')"


def test_cell_that_runs_a_cell_is_shown_to_its_end(kernel: Kernel) -> None:
    """IPython tells of the inner one, too."""
    code = "get_ipython().run_cell('1')\nprint('inner')\nwait()"
    inner = [False]

    def is_next(message: dict[str, Any]) -> bool:
        inner[0] = inner[0] or shows("inner")(message)
        return inner[0] and shows(RUNS)(message)

    messages = kernel.run(
        f"progress.SHOWN_AFTER_S = 0.3\n{code}\nprogress.SHOWN_AFTER_S = 0.0", until=is_next
    )
    assert bars(messages)[-1]["content"]["data"] == {}


def test_broken_screen_does_not_break_the_cell(kernel: Kernel) -> None:
    """Nor does it say anything below it."""
    kernel.run("real = cell_progress._publish")
    code = """
        def fail(*_, **__):
            broken.set()
            raise OSError("no screen")

        broken = threading.Event()
        cell_progress._publish = fail
    """
    kernel.run(code)
    try:
        messages = kernel.run("broken.wait(30)")
    finally:
        kernel.run("cell_progress._publish = real")
    assert [text(message) for message in messages] == ["True"]


def test_bar_ends_with_the_lab_and_begins_with_it(kernel: Kernel) -> None:
    """Of the cell that makes it, too; IPython is left as it was."""
    kernel.run("watching.__exit__(None, None, None)")
    callbacks = "[len(its) for its in get_ipython().events.callbacks.values()]"
    before = kernel.value(callbacks)
    try:
        shown = bars(kernel.run("from labhelpers import Lab\nlab = Lab()\nwait()", until=shows(RUNS)))
        assert shown[-1]["content"]["data"] == {}
        assert kernel.value(callbacks) != before
        ended = kernel.run("lab.close()\nprint('closed')\nwait()\nprint('end')", until=shows("closed"))
        closed = [text(message) for message in ended].index("closed\n")
        assert not bars(ended[closed:])
        assert kernel.value(callbacks) == before
    finally:
        kernel.run("watching = watch_cells(); watching.__enter__()")


def test_outside_of_a_notebook_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program has no cells, and IPython's terminal none that take a bar."""
    threads = threading.active_count()
    terminal = SimpleNamespace(events=None)
    for ipython in (
        None,
        SimpleNamespace(get_ipython=lambda: None),
        SimpleNamespace(get_ipython=lambda: terminal),
    ):
        monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
        with watch_cells():
            assert threading.active_count() == threads


# --- What a cell calls ---


class Service:
    """boto3 that nobody answers until `go`."""

    def __init__(self, service: str, body: bytes) -> None:
        self.asked, self.go = threading.Event(), threading.Event()
        self.client = boto3.session.Session().client(
            service,
            "us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            endpoint_url="http://127.0.0.1:1",
        )
        self.client.meta.events.register("before-send", self._send)
        self._body = body

    def _send(self, **_: object) -> AWSResponse:
        self.asked.set()
        assert self.go.wait(PATIENCE_S)
        answer = AWSResponse("http://127.0.0.1:1", 200, {}, None)
        answer._content = self._body
        return answer


def test_call_under_way_is_named() -> None:
    """While boto3 waits for its answer, and no longer."""
    service = Service("lambda", b"{}")
    thread = threading.Thread(target=service.client.get_function, kwargs={"FunctionName": "greet"})
    thread.start()
    assert thread.ident is not None
    assert service.asked.wait(PATIENCE_S)
    assert call_under_way(thread.ident) == "calling lambda GetFunction"
    service.go.set()
    thread.join()
    assert call_under_way(thread.ident) == ""
    assert call_under_way(threading.get_ident()) == ""


def test_waiter_is_named_while_it_asks_and_while_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sleeps most of the time."""
    asleep, wake = threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        asleep.set()
        assert wake.wait(PATIENCE_S)

    monkeypatch.setattr(botocore.waiter, "time", SimpleNamespace(sleep=sleep))
    state = b"<DBInstanceStatus>creating</DBInstanceStatus>"
    instance = b"<DBInstances><DBInstance>" + state + b"</DBInstance></DBInstances>"
    result = b"<DescribeDBInstancesResult>" + instance + b"</DescribeDBInstancesResult>"
    service = Service("rds", b"<DescribeDBInstancesResponse>" + result + b"</DescribeDBInstancesResponse>")
    waiter = service.client.get_waiter("db_instance_available")

    def poll() -> None:
        with pytest.raises(botocore.waiter.WaiterError):
            waiter.wait(DBInstanceIdentifier="d", WaiterConfig={"MaxAttempts": 2})

    thread = threading.Thread(target=poll)
    thread.start()
    assert thread.ident is not None
    assert service.asked.wait(PATIENCE_S)
    assert call_under_way(thread.ident) == "polling rds DescribeDBInstances"
    service.go.set()
    assert asleep.wait(PATIENCE_S)
    assert call_under_way(thread.ident) == "polling rds DescribeDBInstances"
    wake.set()
    thread.join()


def test_line_names_the_call_a_moment_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a loop of short calls it says the same, and no longer than a second when they are over."""
    calls, now = ["calling lambda Invoke", "", ""], [100.0, 100.5, 102.0]
    monkeypatch.setattr(cell_progress, "call_under_way", lambda _: calls.pop(0))
    runs = cell_progress._CellRuns(0, cell_progress.SharedScreen(cell_progress.NotebookScreen(print)))
    monkeypatch.setattr(cell_progress, "time", SimpleNamespace(monotonic=lambda: now.pop(0)))
    lines = [runs.text().partition(":")[0] for _ in range(3)]
    assert lines == [f"{RUNS} (calling lambda Invoke)"] * 2 + [RUNS]
