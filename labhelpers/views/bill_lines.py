"""The lines of a bill, service by service: what was used, in AWS's units, at the table's prices; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labhelpers.pricing import HOURS_A_MONTH, MB_IN_GB, PRICES
from labhelpers.views.bill_usage import Usage

_GB = 1_024**3
NOT_CONFIRMED = "not confirmed"
_GONE = "of a function that is gone"


@dataclass(frozen=True, slots=True)
class Line:
    """So much of something. `dollars` is None for what has no price; `price_name` is the price's in the table.

    `note` says what to know of it.
    """

    what: str
    quantity: float
    unit: str
    price_name: str = ""
    dollars: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """The lines of one service of AWS."""

    name: str
    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float | None:
        """What those of them cost that have a price; None if none has."""
        known = [line.dollars for line in self.lines if line.dollars is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Function:
    """What a bill needs to know of a version of a function."""

    architecture: str = "x86_64"
    memory_mb: int = 0


@dataclass(frozen=True, slots=True)
class Database:
    """What a bill needs to know of a database."""

    instance_class: str
    storage_gb: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What AWS's APIs told of what was used.

    `functions` are by the ARN of a version, and by that without one for $LATEST; `databases` are by ARN.
    """

    functions: Mapping[str, Function] = field(default_factory=dict)
    databases: Mapping[str, Database] = field(default_factory=dict)

    def function(self, arn: str) -> Function | None:
        """The version that this ARN names, or the function's newest; None for one that is gone."""
        plain = ":".join(arn.split(":")[:7])
        return self.functions.get(arn) or self.functions.get(plain)


def service_lines(usage: Usage, now: float, facts: Facts) -> Iterator[Service]:
    """All services, also those without a line."""
    yield Service("AWS Lambda", tuple(_lambda_lines(usage, now, facts)))
    yield Service("Amazon API Gateway", tuple(_gateway_lines(usage, now)))
    yield Service("Amazon RDS", tuple(_database_lines(usage, now, facts)))
    for name, counted in _COUNTED_SERVICES.items():
        yield Service(name, tuple(_request_lines(usage, *counted)))
    if usage.log_bytes:
        note = "of a line, the first 2,000 characters"
        line = priced("what functions wrote", usage.log_bytes / _GB, "logs.ingested", "GB", note)
        yield Service("Amazon CloudWatch Logs", (line,))
    for service, count in sorted(usage.others.items()):
        name, note = _OTHERS.get(service, (service, ""))
        yield Service(name, (Line("API calls", count, "call", note=note),))


def priced(what: str, quantity: float, name: str, unit: str = "request", note: str = "") -> Line:
    """A line with its amount, if the table has this price."""
    known = PRICES.get(name)
    if known is None:
        return Line(what, quantity, unit, note=note)
    if not known.confirmed:
        note = ", ".join(part for part in (note, f"price {NOT_CONFIRMED}") if part)
    return Line(what, quantity, unit, name, quantity * known.dollars, note)


def _lambda_lines(usage: Usage, now: float, facts: Facts) -> Iterator[Line]:
    calls = sum(each.calls for each in usage.calls.values())
    if calls:
        yield priced("requests", calls, "lambda.request")
    used: dict[tuple[str, bool, bool], float] = {}
    for (arn, provisioned), each in usage.calls.items():
        known = facts.function(arn)
        key = ((known or Function()).architecture, provisioned, known is None)
        used[key] = used.get(key, 0.0) + each.gb_seconds
    for (architecture, provisioned, gone), amount in sorted(used.items()):
        kind = "provisioned_duration_gb_second" if provisioned else "gb_second"
        where = "compute in provisioned environments" if provisioned else "compute"
        note = f"{_GONE}, taken for {architecture}" if gone else ""
        yield priced(f"{where}, {architecture}", amount, f"lambda.{kind}.{architecture}", "GB-second", note)
    held: dict[str, float] = {}
    for arn, seconds in usage.held.seconds(now).items():
        known = facts.function(arn)
        if known is None or not known.memory_mb:
            what = "provisioned concurrency, seconds of an environment"
            yield Line(what, seconds, "second", note=f"{_GONE}: its memory is not known")
        else:
            amount = seconds * known.memory_mb / MB_IN_GB
            held[known.architecture] = held.get(known.architecture, 0.0) + amount
    for architecture, amount in sorted(held.items()):
        name = f"lambda.provisioned_gb_second.{architecture}"
        note = "called or not, rounded up to 5 minutes"
        yield priced(f"provisioned concurrency, {architecture}", amount, name, "GB-second", note)


def _gateway_lines(usage: Usage, now: float) -> Iterator[Line]:
    counts = usage.counts
    for kind in ("REST", "HTTP"):
        if counts[kind]:
            yield priced(f"{kind} API requests", counts[kind], f"gateway.{kind.lower()}.request")
        if refused := counts[f"{kind} refused"]:
            note = f"refused for a key, a limit or a permission: not charged ({NOT_CONFIRMED})"
            yield Line(f"{kind} API requests refused", refused, "request", dollars=0.0, note=note)
    if counts["cache"]:
        yield Line(
            "requests to a cache", counts["cache"], "request", note="a cache costs by the hour and size"
        )
    if counts["messages"]:
        name = "gateway.websocket.message"
        yield priced("WebSocket messages, both ways", counts["messages"], name, "message")
    if minutes := sum(usage.connections.seconds(now).values()) / 60:
        name = "gateway.websocket.minute"
        yield priced("WebSocket connections", minutes, name, "minute", "not rounded")


def _database_lines(usage: Usage, now: float, facts: Facts) -> Iterator[Line]:
    stored = usage.storage.seconds(now)
    for arn, seconds in usage.databases.seconds(now).items():
        name, known = arn.split(":")[-1], facts.databases.get(arn)
        if known is None:
            yield Line(name, seconds / 3_600, "hour", note="a database that is gone: its class is not known")
            continue
        what = f"{name}, {known.instance_class}"
        note = f"10 minutes at least ({NOT_CONFIRMED})"
        yield priced(what, seconds / 3_600, f"rds.{known.instance_class}", "hour", note)
        months = known.storage_gb * stored.get(arn, 0.0) / 3_600 / HOURS_A_MONTH
        yield priced(f"{name}, {known.storage_gb} GB of storage", months, "rds.storage", "GB-month")


_COUNTED_SERVICES = {
    "Amazon S3": ("s3.put", "s3.get"),
    "Amazon SQS": ("sqs",),
    "Amazon SNS": ("sns",),
    "Amazon EventBridge": ("custom events", "service events", "scheduler.notification"),
}
# What is counted, its unit, its price in the table if it has one, and a note.
_COUNTED = {
    "s3.put": ("PUT, COPY, POST and LIST requests", "request", "s3.put", "with looks at a bucket's settings"),
    "s3.get": ("GET and other requests", "request", "s3.get", ""),
    "sqs": ("requests", "request", "sqs.request", "each taken for 64 KB or less, and a standard queue's"),
    "sns": ("publishes", "request", "sns.publish", "each taken for 64 KB or less, and a standard topic's"),
    "custom events": ("custom events", "event", "eventbridge.event", "each taken for 64 KB or less"),
    "service events": ("events of AWS's services", "event", "", "some are free, some are not"),
    "scheduler.notification": ("Scheduler invocations", "invocation", "scheduler.invocation", ""),
}


def _request_lines(usage: Usage, *names: str) -> Iterator[Line]:
    for name in names:
        if count := usage.counts[name]:
            what, unit, price_name, note = _COUNTED[name]
            yield priced(what, count, price_name, unit, note)


# AWS's names of services without a price, and why.
_OTHERS = {
    "dynamodb": (
        "Amazon DynamoDB",
        "AWS charges by the size of what is read and written, which the journal does not have",
    ),
    "kinesis": ("Amazon Kinesis Data Streams", "AWS charges by shards, hours and the size of records"),
    "cloudwatch": ("Amazon CloudWatch", ""),
    "secretsmanager": ("AWS Secrets Manager", ""),
    "xray": ("AWS X-Ray", ""),
}
