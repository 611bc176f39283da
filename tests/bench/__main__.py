"""`make bench`: what the lab costs, each figure beside its floor and its peer of the same run. Medians, no timed tests.

Floors: boto3 against a bare server that answers the same bytes; AWS's runtime client against a bare Runtime API.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from labhelpers import Lab
from tests.bench import bare_server, gateways, languages, peers, triggers, views
from tests.bench.bare_runtime_api import HANDLER, Floor
from tests.bench.table import MIB, Row, milliseconds, package

WARM_CALLS = 400
THREADS = 32
REPORTING_HANDLER = """
import time
def handler(event, context):
    now = time.time()
    print(f"STARTED {event['Records'][0]['s3']['object']['key']} {now}")
"""
CONFIG = Config(max_pool_connections=THREADS, retries={"total_max_attempts": 1})


def times_of(action: Callable[[], Any], count: int) -> list[float]:
    """Seconds of each of `count` calls, after a few that warm up."""
    for _ in range(min(20, count)):
        action()
    gc.collect()
    found = []
    for _ in range(count):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return found


def calls_per_second(client: Any, invoke: Callable[[Any], None], seconds: float = 4.0) -> tuple[float, int]:
    """Calls a second with all threads at once on one client, and how many failed."""
    failures = 0

    def work(deadline: float) -> int:
        nonlocal failures
        done = 0
        while time.perf_counter() < deadline:
            try:
                invoke(client)
                done += 1
            except Exception:  # noqa: BLE001 - whatever it is, it is counted
                failures += 1
        return done

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: invoke(client), range(THREADS * 2)))
        start = time.perf_counter()
        counts = list(threads.map(work, [start + seconds] * THREADS))
        took = time.perf_counter() - start
    return sum(counts) / took, failures


def create(client: Any, role: str, name: str, source: str, **settings: Any) -> str:
    """Create a function from `source`; returns its ARN."""
    answer = client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": package(source)},
        **settings,
    )
    return str(answer["FunctionArn"])


def tree_pss(pid: int) -> int:
    """Proportional set size of a process and all below it, in bytes."""
    root = psutil.Process(pid)
    total = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


def start_up() -> Row:
    """`Lab()` until its first call has been answered; the floor is an interpreter that imports boto3's HTTP server."""
    found = []
    for _ in range(5):
        start = time.perf_counter()
        with Lab():
            boto3.client("sts").get_caller_identity()
            found.append(time.perf_counter() - start)
    floor = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp.web, moto.core.responses"], check=True)
        floor.append(time.perf_counter() - start)
    return Row(
        "start-up, Lab() to first answer",
        milliseconds(statistics.median(found)),
        milliseconds(statistics.median(floor)),
        "",
        "about 500 ms",
    )


def cold_start(lab: Lab, floor_cold: float) -> Row:
    """create_function to the answer of its first call."""
    client = boto3.client("lambda", config=CONFIG)
    found = []
    for number in range(15):
        start = time.perf_counter()
        create(client, lab.role_arn, f"cold-{number}", HANDLER)
        client.invoke(FunctionName=f"cold-{number}")["Payload"].read()
        found.append(time.perf_counter() - start)
    return Row(
        "first call to a new function",
        milliseconds(statistics.median(found)),
        milliseconds(floor_cold),
        "",
        "< 60 ms",
    )


def warm(lab: Lab, bare_url: str, peer_url: str, floor_warm: float) -> list[Row]:
    """A warm call, one after the other and with many threads."""
    client = boto3.client("lambda", config=CONFIG)
    create(client, lab.role_arn, "warm", HANDLER)
    bare = boto3.client("lambda", config=CONFIG, endpoint_url=bare_url)

    def call(target: Any, name: str) -> Callable[[], bytes]:
        def invoke() -> bytes:
            body: bytes = target.invoke(FunctionName=name)["Payload"].read()
            return body

        return invoke

    rounds: list[tuple[float, float, float]] = []
    peer = peers.client(peer_url) if peer_url else None
    for _ in range(3):  # In turns, so that the machine's moods hit all alike.
        floor_s = statistics.median(times_of(call(bare, "warm"), WARM_CALLS // 3))
        own_s = statistics.median(times_of(call(client, "warm"), WARM_CALLS // 3))
        peer_s = statistics.median(times_of(call(peer, peers.FUNCTION), WARM_CALLS // 3)) if peer else 0.0
        rounds.append((floor_s, own_s, peer_s))
    floor_s, own_s, peer_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(own / floor for floor, own, _ in rounds)
    own_rate, failures = calls_per_second(client, lambda c: c.invoke(FunctionName="warm")["Payload"].read())
    floor_rate, _ = calls_per_second(bare, lambda c: c.invoke(FunctionName="warm")["Payload"].read())
    peer_rate = 0.0
    if peer:
        peer_rate, _ = calls_per_second(
            peer, lambda c: c.invoke(FunctionName=peers.FUNCTION)["Payload"].read()
        )
    return [
        Row(
            f"warm invoke through boto3 ({ratio:.2f} x floor)",
            milliseconds(own_s),
            milliseconds(floor_s),
            milliseconds(peer_s) if peer else "not measured",
            "<= 1.4 x floor, <= peer",
        ),
        Row("runtime client alone", "", milliseconds(floor_warm)),
        Row(
            f"{THREADS} threads, calls/s ({failures} failed)",
            f"{own_rate:.0f}",
            f"{floor_rate:.0f}",
            f"{peer_rate:.0f}" if peer else "not measured",
            "> 732, none fails",
        ),
    ]


def s3_to_handler(lab: Lab, floor_warm: float) -> Row:
    """From the answer to put_object until the handler runs, by the same machine's clock."""
    s3, client = boto3.client("s3"), boto3.client("lambda", config=CONFIG)
    s3.create_bucket(Bucket="bench")
    arn = create(
        client,
        lab.role_arn,
        "on-put",
        REPORTING_HANDLER,
    )
    client.add_permission(
        FunctionName="on-put",
        StatementId="s3",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::bench",
    )
    s3.put_bucket_notification_configuration(
        Bucket="bench",
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    returned: dict[str, float] = {}
    for number in range(110):
        key = f"k{number}"
        s3.put_object(Bucket="bench", Key=key, Body=b"x")
        returned[key] = time.time()
        time.sleep(0.01)
    started: dict[str, float] = {}
    deadline = time.monotonic() + 10
    while len(started) < len(returned) and time.monotonic() < deadline:
        for entry in lab.journal(kind="log"):
            words = entry["detail"]["message"].split()
            if words and words[0] == "STARTED":
                started[words[1]] = float(words[2])
        time.sleep(0.05)
    delays = [started[key] - returned[key] for key in list(returned)[10:]]
    return Row(
        "S3 put returned to handler started",
        milliseconds(statistics.median(delays)),
        milliseconds(floor_warm),
        "",
        "< 3 ms",
    )


def memory(floor_pss: int) -> list[Row]:
    """A fresh lab alone, and its whole tree after 32 environments at once."""
    with Lab() as lab:
        boto3.client("sts").get_caller_identity()
        time.sleep(1.0)
        idle = psutil.Process(lab.pid).memory_full_info().pss
        client = boto3.client("lambda", config=CONFIG)
        create(
            client,
            lab.role_arn,
            "wide",
            "import time\ndef handler(event, context):\n    time.sleep(1)\n",
            Timeout=10,
        )
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(lambda _: client.invoke(FunctionName="wide")["Payload"].read(), range(THREADS)))
        loaded = tree_pss(lab.pid)
    return [
        Row("memory idle, cloud alone (PSS)", f"{idle / MIB:.0f} MiB", "", "", "< 90 MiB"),
        Row(
            f"memory, whole tree after {THREADS} at once (PSS)",
            f"{loaded / MIB:.0f} MiB",
            f"{THREADS * floor_pss / MIB:.0f} MiB",
            "",
            "< 500 MiB",
        ),
    ]


def run(peer_url: str) -> list[Row]:
    """All measurements in one run."""
    with tempfile.TemporaryDirectory() as folder:
        floor_cold, floor_times, floor_pss = asyncio.run(Floor(Path(folder)).measure(WARM_CALLS))
    floor_warm = statistics.median(floor_times)
    rows = [start_up()]
    bare = subprocess.Popen(
        [sys.executable, "-m", bare_server.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert bare.stdout is not None and bare.stdin is not None
    bare_url = f"http://127.0.0.1:{bare.stdout.readline().strip()}"
    try:
        with Lab() as lab:
            rows.append(cold_start(lab, floor_cold))
            rows += warm(lab, bare_url, peer_url, floor_warm)
            rows.append(s3_to_handler(lab, floor_warm))
    finally:
        bare.stdin.close()
        bare.wait(5)
    return rows + memory(floor_pss)


def main() -> int:
    """Print the table. Arguments choose parts of it: `functions`, `languages`, `triggers`, `gateways`, `views`."""
    parts = sys.argv[1:] or ["functions", "languages", "triggers", "gateways", "views"]
    reason = peers.why_not()
    with contextlib.ExitStack() as stack:
        peer = None if reason else stack.enter_context(peers.serverless_offline())
        rows = run(peer.functions if peer else "") if "functions" in parts else []
        if "languages" in parts:
            rows += languages.run(peer.functions if peer else "")
        if "triggers" in parts:
            rows += triggers.run()
        if "gateways" in parts:
            rows += gateways.run(peer.gateways if peer else None)
        if "views" in parts:
            rows += views.run()
    heads = Row("measured", "this lab", "floor", "serverless-offline", "must reach")
    for row in (heads, *rows):
        print(f"{row.name:<52} {row.value:>12} {row.floor:>12} {row.peer:>20}   {row.target}")
    print(
        f"\n{psutil.cpu_count()} cores, Python {sys.version.split()[0]}"
        + (f"; no peer: {reason}" if reason else "")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
