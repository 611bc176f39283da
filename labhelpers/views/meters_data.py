"""Two meters on the same work: a server is charged while it is up, a function while it runs; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from labhelpers.pricing import (
    HOURS_A_MONTH,
    MB_IN_GB,
    REGION,
    break_even_requests,
    function_dollars,
    gb_seconds,
    price,
    server_dollars,
    server_dollars_a_month,
)

HOUR_S = 3_600
MONTH_S = HOURS_A_MONTH * HOUR_S
PACE_AFTER_S = 1.0  # A pace from less time than that would say nothing.


@dataclass(frozen=True, slots=True)
class ServerMeter:
    """What an always-on server has cost. `requests` is None when nobody counts them."""

    instance_type: str
    up_s: float
    running: bool
    dollars_per_hour: float
    dollars: float
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class FunctionMeter:
    """What functions have cost: for their calls, and for the memory and time that these used."""

    names: tuple[str, ...]
    calls: int
    billed_ms: int
    gb_seconds: float
    request_dollars: float
    compute_dollars: float
    running: int = 0

    @property
    def dollars(self) -> float:
        return self.request_dollars + self.compute_dollars


@dataclass(frozen=True, slots=True)
class Pace:
    """What a month of 730 hours would cost if it went on like this."""

    calls: float
    server_dollars: float
    function_dollars: float


@dataclass(frozen=True, slots=True)
class MetersData:
    """Both meters. `break_even_calls` a month, such as those counted, cost as much as the server."""

    server: ServerMeter
    function: FunctionMeter
    break_even_calls: float | None
    sources: tuple[str, ...]

    @property
    def pace(self) -> Pace | None:
        """The month that this would make; None before the first call and the first second."""
        if not self.function.calls or self.server.up_s < PACE_AFTER_S:
            return None
        times = MONTH_S / self.server.up_s
        a_month = server_dollars_a_month(self.server.instance_type)
        return Pace(self.function.calls * times, a_month, self.function.dollars * times)

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        found = asdict(self)
        found["function"]["dollars"] = self.function.dollars
        found["month"] = {
            "seconds": MONTH_S,
            "server_dollars": server_dollars_a_month(self.server.instance_type),
        }
        return found


class Usage:
    """What functions have used, from the journal's entries: `add` takes one after another. `names` are theirs."""

    def __init__(self, names: Sequence[str], since: float = 0.0) -> None:
        self.names = tuple(names)
        self._since = since
        self.calls = self.billed_ms = 0
        self.gb_seconds = 0.0
        self.running: set[str] = set()

    def add_all(self, entries: Iterable[Mapping[str, Any]]) -> bool:
        """Count the calls of these functions since the meter began (epoch seconds); whether anything changed."""
        changed = [self._add(entry) for entry in entries if entry["kind"].startswith("invoke.")]
        return any(changed)

    def _add(self, entry: Mapping[str, Any]) -> bool:
        # arn:aws:lambda:<region>:<account>:function:<name>, perhaps with a version or an alias.
        parts = entry["resource"].split(":")
        if entry["at"] < self._since or len(parts) < 7 or parts[6] not in self.names:
            return False
        if entry["kind"] == "invoke.started":
            self.running.add(entry["request_id"])
        elif entry["kind"] == "invoke.ended":
            self.running.discard(entry["request_id"])
            billed_ms = int(entry["detail"]["billed_ms"])
            self.calls += 1
            self.billed_ms += billed_ms
            self.gb_seconds += gb_seconds(float(entry["detail"]["memory_mb"]), billed_ms)
        else:
            return False
        return True


def build_meters(
    entries: Iterable[Mapping[str, Any]],
    functions: Sequence[str],
    *,
    instance_type: str = "t3.micro",
    up_s: float,
    running: bool = True,
    requests: int | None = None,
    since: float = 0.0,
    architecture: str = "x86_64",
) -> MetersData:
    """Both meters after `up_s` seconds of the server and these entries of the journal; LabError for an unknown type."""
    usage = Usage(functions, since)
    usage.add_all(entries)
    server = server_meter(instance_type, up_s, running, requests)
    return read_meters(server, usage, architecture)


def server_meter(instance_type: str, up_s: float, running: bool, requests: int | None = None) -> ServerMeter:
    """The server's meter after so many seconds. LabError for an instance type without a price."""
    an_hour = price(f"ec2.{instance_type}").dollars
    dollars = server_dollars(instance_type, up_s / HOUR_S)
    return ServerMeter(instance_type, up_s, running, an_hour, dollars, requests)


def read_meters(server: ServerMeter, usage: Usage, architecture: str = "x86_64") -> MetersData:
    """Both meters, from what was used so far."""
    function = FunctionMeter(
        usage.names,
        usage.calls,
        usage.billed_ms,
        usage.gb_seconds,
        function_dollars(usage.calls, 0.0),
        function_dollars(0, usage.gb_seconds, architecture=architecture),
        len(usage.running),
    )
    return MetersData(server, function, _break_even(server, function, architecture), price_sources())


def _break_even(server: ServerMeter, function: FunctionMeter, architecture: str) -> float | None:
    if not function.calls or not function.billed_ms:
        return None
    mean_ms = function.billed_ms / function.calls
    mean_memory_mb = function.gb_seconds * MB_IN_GB * 1_000 / function.billed_ms
    return break_even_requests(server.instance_type, mean_memory_mb, mean_ms, architecture=architecture)


def price_sources() -> tuple[str, ...]:
    """Where the prices come from, and when they were seen."""
    server, function = price("ec2.t3.micro"), price("lambda.request")
    return tuple(
        f"{what}: {line.source}, seen {line.seen}; today's price: {line.page}"
        for what, line in ((f"EC2 in {REGION}, without disk and address", server), ("Lambda", function))
    )


def money(dollars: float) -> str:
    """An amount as the meters show it: cents where there are some, else eight decimals."""
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}" if dollars >= 0.01 else f"${dollars:.8f}"


def meters_text(data: MetersData, *, stopped: bool = False) -> str:
    """Both meters as plain text; `stopped` says that they no longer run."""
    server, function = data.server, data.function
    state = "meter stopped" if stopped else "it is up" if server.running else "it is down"
    asked = f", {server.requests:,} requests" if server.requests is not None else ""
    calls = f"{function.calls:,} calls ({money(function.request_dollars)})"
    memory = f"{function.gb_seconds:.6f} GB-seconds ({money(function.compute_dollars)})"
    lines = [
        f"Always-on server ({server.instance_type}, {money(server.dollars_per_hour)} an hour): {money(server.dollars)}",
        f"  charged for {server.up_s:,.1f} s up, busy or not{asked}; {state}",
        f"Function ({', '.join(function.names)}): {money(function.dollars)}",
        f"  charged for {calls} and {memory}, nothing in between",
    ]
    if pace := data.pace:
        month = f"server {money(pace.server_dollars)}, function {money(pace.function_dollars)}"
        lines += [
            f"If it went on like this for a month: {month} for {pace.calls:,.0f} calls",
            f"Both cost the same at {data.break_even_calls or 0:,.0f} such calls a month.",
        ]
    return "\n".join([*lines, *data.sources])
