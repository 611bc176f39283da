"""What the gauges show at one moment, as data for the page and as plain text; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from labhelpers.views.gauges_buckets import Bucket
from labhelpers.views.gauges_quotas import DAY, WEEK, Quota
from labhelpers.views.gauges_retry_list import Retry, State
from labhelpers.views.gauges_weights import Weights

BUCKETS, QUOTAS, RETRIES, WEIGHTS = "buckets", "quotas", "retries", "weights"
SECTIONS = (BUCKETS, QUOTAS, RETRIES, WEIGHTS)
ROWS_MAX = 40  # Of each section; the rest is counted.

TITLES = {
    BUCKETS: "Token buckets",
    QUOTAS: "Quotas",
    RETRIES: "Retries",
    WEIGHTS: "Weights",
}
NOTHING = {
    BUCKETS: "No stage, route, method or usage plan has a throttle.",
    QUOTAS: "No usage plan with a key has a quota.",
    RETRIES: "Nothing waits to be tried again.",
    WEIGHTS: "No function has an alias, and no stage a canary.",
}
PERIODS = {DAY: "day", WEEK: "week"}


@dataclass(frozen=True, slots=True)
class GaugesData:
    """All gauges of the `sections` asked for. `lab_now` is what the lab's clock reads, `speed` how fast it runs.

    `forgotten` are waiting things that were too many to keep.
    """

    sections: tuple[str, ...]
    lab_now: float
    speed: float
    buckets: tuple[Bucket, ...] = ()
    quotas: tuple[Quota, ...] = ()
    waiting: tuple[Retry, ...] = ()
    ended: tuple[Retry, ...] = ()
    weights: tuple[Weights, ...] = ()
    forgotten: int = 0

    def as_json(self) -> dict[str, Any]:
        """For the page: the first rows of each section, and how many more there are."""
        shown: dict[str, tuple[Any, ...]] = {
            "buckets": self.buckets,
            "quotas": self.quotas,
            "waiting": self.waiting,
            "ended": self.ended,
            "weights": self.weights,
        }
        more = {name: max(0, len(rows) - ROWS_MAX) for name, rows in shown.items()}
        more["waiting"] += self.forgotten
        return {
            "sections": [[name, TITLES[name], NOTHING[name]] for name in self.sections],
            "lab_now": self.lab_now,
            "speed": self.speed,
            "more": more,
            **{name: [asdict(row) for row in rows[:ROWS_MAX]] for name, rows in shown.items()},
        }


def gauges_text(data: GaugesData) -> str:
    """All gauges, a line each, under the titles of their sections."""
    clock = f"The lab's clock reads {moment(data.lab_now)}."
    lines = {
        BUCKETS: [_bucket(bucket) for bucket in data.buckets],
        QUOTAS: [_quota(quota, data.lab_now) for quota in data.quotas],
        RETRIES: _retries(data),
        WEIGHTS: [_weights(weights) for weights in data.weights],
    }
    parts = [clock] if {QUOTAS, RETRIES} & set(data.sections) else []
    for name in data.sections:
        rows: Sequence[str] = lines[name] or [NOTHING[name]]
        parts += [f"{TITLES[name]}:", *(f"  {row}" for row in rows)]
    return "\n".join(parts)


def _bucket(bucket: Bucket) -> str:
    asked = f"{bucket.passed:,} let through, {bucket.throttled:,} throttled"
    limit = f"{bucket.rate:,g} a second flow in"
    name = f"{bucket.owner}, {bucket.scope}" if bucket.scope else bucket.owner
    return f"{name}: {bucket.level:,.1f} of {bucket.burst:,} tokens, {limit}; {asked}"


def _quota(quota: Quota, lab_now: float) -> str:
    period = PERIODS.get(quota.period, "month")
    again = f"begins anew in {duration(quota.resets_at - lab_now)} ({moment(quota.resets_at)})"
    return f"{quota.owner}: {quota.used:,} used of {quota.limit:,} a {period}, {quota.left:,} left; {again}"


def _retries(data: GaugesData) -> list[str]:
    found = []
    for retry in data.waiting:
        if retry.state is State.RUNNING:
            when = f"try {retry.tries} runs now"
        elif retry.due is None or retry.due <= data.lab_now:
            when = f"try {retry.tries + 1} is due"
        else:
            when = f"try {retry.tries + 1} in {duration(retry.due - data.lab_now)}"
        why = f"; the last failed: {retry.reason}" if retry.reason else ""
        found.append(f"{retry.source} {retry.what}, for {retry.target}: {when}{why}")
    if data.forgotten:
        found.append(f"(and {data.forgotten:,} more)")
    for retry in data.ended:
        why = f"; the last failure: {retry.reason}" if retry.reason else ""
        found.append(f"{retry.source} {retry.what}, for {retry.target}: {retry.end}{why}")
    return found


def _weights(weights: Weights) -> str:
    shares = [
        f"{share.name} is set to {percent(share.configured)} and got {share.calls:,}"
        + (f" ({percent(share.calls / weights.calls)})" if weights.calls else "")
        for share in weights.shares
    ]
    calls = f"{weights.calls:,} call{'' if weights.calls == 1 else 's'} since then"
    return f"{weights.owner}: {', '.join(shares)}; {calls}"


def percent(share: float) -> str:
    """A share from 0 to 1 in percent, with decimals only where they matter."""
    return f"{round(100 * share, 1):g}%"


def moment(at: float) -> str:
    """A time of the lab's clock."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """How long something takes, in its two largest units."""
    left = max(0, round(seconds))
    days, hours, minutes = left // 86_400, left // 3_600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left % 60} s" if minutes else f"{left} s"
