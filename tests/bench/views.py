"""What views cost: from an event in the cloud to its mark on the page, clicks while events rain, and what calls pay.

A real JupyterLab in Chromium; all times by this machine's one clock. Left out, in a line, where there is no Chromium.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import boto3
from botocore.config import Config
from playwright.sync_api import Page

from tests.bench.table import Row, milliseconds
from tests.browser.desk import Desk, Notebook, browser, chromium

EVENTS = 40
RAIN_S, ROUNDS = 10.0, 3
ENTRIES_PER_S = 1_000
THREADS = 4
SET_UP = """
import os
from pathlib import Path
from labhelpers import *
lab = Lab()
Path("quick.py").write_text("def handler(event, context):\\n    return 1\\n")
deploy_function("quick", "quick.py", lab.role_arn)
Path("address.txt").write_text("\\n".join([lab.endpoint_url, lab.access_key_id, lab.secret_access_key]))
Path("processes.txt").write_text(f"{lab.pid} {os.getpid()}")
"""
OPEN = "live, logs, trace = LiveMap(lab), Logs(lab), Trace(lab)\nlive"
# Each change of the map's count, in epoch milliseconds.
WATCH = """() => {
    window.marks = [];
    const count = document.querySelector(".lv-map .lv-done dd");
    new MutationObserver(() => window.marks.push(Date.now())).observe(count, {
        childList: true, characterData: true, subtree: true,
    });
}"""
# From a click on a control of a view until the page has drawn what it does.
CLICK = """() => new Promise((done) => {
    const box = document.querySelector(".lv-logs input[type=checkbox]");
    const start = performance.now();
    box.click();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""


class Caller:
    """Calls the notebook's function from this process."""

    def __init__(self, folder: Path) -> None:
        endpoint, key, secret = (folder / "address.txt").read_text(encoding="utf-8").split("\n")
        self._client = boto3.client(
            "lambda",
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
            config=Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1}),
        )

    def call(self) -> float:
        """One call; its seconds."""
        start = time.perf_counter()
        self._client.invoke(FunctionName="quick", Payload=b"{}")["Payload"].read()
        return time.perf_counter() - start

    def rain(self, seconds: float, calls_per_s: float) -> list[float]:
        """Calls at an even pace, by several threads; the seconds of each."""
        began = time.perf_counter()
        numbers = iter(range(int(seconds * calls_per_s)))
        lock = threading.Lock()
        found: list[float] = []

        def work() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                time.sleep(max(0.0, began + number / calls_per_s - time.perf_counter()))
                found.append(self.call())

        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda _: work(), range(THREADS)))
        return found


def run() -> list[Row]:
    """All rows; none without Chromium, which is then said."""
    if chromium() is None:
        print("left out: the views, for there is no Chromium here")
        return []
    with tempfile.TemporaryDirectory() as home, browser() as chrome:
        desk = Desk(Path(home))
        try:
            desk.write("views.ipynb", SET_UP, OPEN, "logs", "trace")
            page = chrome.new_page(viewport={"width": 1200, "height": 1000})
            notebook = desk.open(page, "views.ipynb")
            notebook.run_all()
            return measure(page, notebook, Caller(desk.folder), desk.folder)
        finally:
            desk.close()


def measure(page: Page, notebook: Notebook, caller: Caller, folder: Path) -> list[Row]:
    """Marks, clicks under rain, and what the rain's calls cost with the views open and closed."""
    processes = [int(pid) for pid in (folder / "processes.txt").read_text(encoding="utf-8").split()]
    notebook.view(".lv-map").wait_for()
    calls_per_s = ENTRIES_PER_S / entries_per_call(notebook, caller, folder / "count.txt")
    marks = mark_delays(page, caller)
    clicks: list[float] = []
    opened, closed = Side(), Side()
    for number in range(ROUNDS):  # In turns, so that the machine's moods hit both alike.
        if number:
            notebook.run_from(1)
            notebook.view(".lv-map").wait_for()
        with opened.counting(processes):
            rain = threading.Thread(target=lambda: opened.times.append(caller.rain(RAIN_S, calls_per_s)))
            rain.start()
            while rain.is_alive():
                clicks.append(page.evaluate(CLICK) / 1000)
                page.wait_for_timeout(200)
        notebook.run_line("live.close(); logs.close(); trace.close()")
        with closed.counting(processes):
            closed.times.append(caller.rain(RAIN_S, calls_per_s))
    ratios = [one / other for one, other in zip(opened.medians(), closed.medians(), strict=True)]
    shown = f"{calls_per_s:.0f} calls/s, some {ENTRIES_PER_S} events/s"
    return [
        Row("event to its mark on the page", milliseconds(statistics.median(marks)), target="< 100 ms"),
        Row("click while events rain, median", milliseconds(statistics.median(clicks)), target="< 200 ms"),
        Row("click while events rain, slowest", milliseconds(max(clicks)), target="< 200 ms"),
        Row(
            f"call with views open ({shown})",
            milliseconds(statistics.median(opened.medians())),
            f"{milliseconds(statistics.median(closed.medians()))} closed",
            target=f"< 1.1 x closed: {statistics.median(ratios):.2f} of {', '.join(f'{one:.2f}' for one in ratios)}",
        ),
        *(
            Row(
                f"{name}'s CPU for 1,000 events, views open",
                milliseconds(opened.used[index] / len(ratios) / RAIN_S),
                f"{milliseconds(closed.used[index] / len(ratios) / RAIN_S)} closed",
            )
            for index, name in enumerate(("cloud", "kernel"))
        ),
    ]


@dataclass(slots=True)
class Side:
    """What was measured with the views open, or closed: seconds of each call by round, and what processes used."""

    times: list[list[float]] = field(default_factory=list)
    used: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def medians(self) -> list[float]:
        """The median call of each round."""
        return [statistics.median(found) for found in self.times]

    @contextlib.contextmanager
    def counting(self, processes: Sequence[int]) -> Iterator[None]:
        """Add the processor's seconds that these processes use inside."""
        before = cpu_times(processes)
        yield
        after = cpu_times(processes)
        self.used = [sum(found) - start for *found, start in zip(self.used, after, before, strict=True)]


def cpu_times(processes: Sequence[int]) -> list[float]:
    """The processor's seconds that each of these processes has used."""
    ticks = os.sysconf("SC_CLK_TCK")
    fields = [Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in processes]
    return [(int(found[11]) + int(found[12])) / ticks for found in fields]


def entries_per_call(notebook: Notebook, caller: Caller, counts: Path) -> float:
    """How many entries one warm call makes in the journal; `counts` is a file that the kernel writes."""

    def entries() -> int:
        notebook.run_line(f"Path({str(counts)!r}).write_text(str(len(lab.journal())))")
        return int(counts.read_text(encoding="utf-8"))

    for _ in range(20):
        caller.call()
    before = entries()
    for _ in range(20):
        caller.call()
    return (entries() - before) / 20


def mark_delays(page: Page, caller: Caller) -> list[float]:
    """From the journal's entry of a call's end to the change of the map's count, for single calls."""
    page.evaluate(WATCH)
    delays = []
    for _ in range(EVENTS):
        seen = page.evaluate("window.marks.length")
        caller.call()
        ended = time.time()
        page.wait_for_function("(seen) => window.marks.length > seen", arg=seen)
        delays.append(page.evaluate("(seen) => window.marks[seen]", seen) / 1000 - ended)
    return delays
