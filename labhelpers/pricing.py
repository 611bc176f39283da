"""Prices of AWS in us-east-1, in one table, and what a piece of work costs by them; pure.

Most figures were read in public price tables, not on AWS's live pages: whoever shows one shows its `source` and `seen`
beside it, and `page` is where to look it up. What nobody confirmed has `confirmed=False`.
"""

from __future__ import annotations

from dataclasses import dataclass

from labhelpers.errors import LabError

REGION = "us-east-1"
HOURS_A_MONTH = 730
MILLION = 1_000_000
MB_IN_GB = 1_024

_SOURCE = "public price tables"
_SEEN = "2024-2026"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
_GATEWAY = "https://aws.amazon.com/api-gateway/pricing/"
_EC2 = "https://aws.amazon.com/ec2/pricing/on-demand/"
_EBS = "https://aws.amazon.com/ebs/pricing/"
_VPC = "https://aws.amazon.com/vpc/pricing/"
_RDS = "https://aws.amazon.com/rds/postgresql/pricing/"
_S3 = "https://aws.amazon.com/s3/pricing/"
_SQS = "https://aws.amazon.com/sqs/pricing/"
_SNS = "https://aws.amazon.com/sns/pricing/"
_EVENTBRIDGE = "https://aws.amazon.com/eventbridge/pricing/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
# What several tables of 2026 agree on.
_SEEN_2026 = "March to June 2026"
_EXAMPLES = "worked examples of AWS's own page"


@dataclass(frozen=True, slots=True)
class Price:
    """One line of the table: `dollars` for each `unit`. `first` is how many units a month it holds for, if known."""

    dollars: float
    unit: str
    page: str
    source: str = _SOURCE
    seen: str = _SEEN
    confirmed: bool = True
    first: float | None = None


PRICES: dict[str, Price] = {
    "lambda.request": Price(0.20 / MILLION, "request", _LAMBDA),
    # The first tier: beyond some billion GB-seconds a month they get cheaper.
    "lambda.gb_second.x86_64": Price(0.0000166667, "GB-second", _LAMBDA),
    "lambda.gb_second.arm64": Price(0.0000133334, "GB-second", _LAMBDA),
    # Provisioned concurrency: for being there, rounded up to 5 minutes, and for calls that run in it.
    "lambda.provisioned_gb_second.x86_64": Price(0.0000041667, "GB-second", _LAMBDA),
    "lambda.provisioned_duration_gb_second.x86_64": Price(0.0000097222, "GB-second", _LAMBDA),
    "gateway.http.request": Price(1.00 / MILLION, "request", _GATEWAY, first=300 * MILLION),
    "gateway.rest.request": Price(3.50 / MILLION, "request", _GATEWAY, first=333 * MILLION),
    # By each 32 KB that it begins: 33 KB are two messages.
    "gateway.websocket.message": Price(
        1.00 / MILLION, "message of up to 32 KB", _GATEWAY, source=_EXAMPLES, seen="September 2026"
    ),
    "gateway.websocket.minute": Price(
        0.25 / MILLION, "connection-minute", _GATEWAY, source=_EXAMPLES, seen="September 2026"
    ),
    "ec2.t3.nano": Price(0.0052, "hour", _EC2),
    "ec2.t3.micro": Price(0.0104, "hour", _EC2),
    "ec2.t3.small": Price(0.0208, "hour", _EC2),
    "ec2.t3.medium": Price(0.0416, "hour", _EC2),
    "ec2.t4g.nano": Price(0.0042, "hour", _EC2),
    "ec2.t4g.micro": Price(0.0084, "hour", _EC2),
    "ec2.t4g.small": Price(0.0168, "hour", _EC2),
    "ec2.t4g.medium": Price(0.0336, "hour", _EC2),
    "ipv4": Price(0.005, "hour", _VPC, source="AWS blog"),
    "ebs.gp3": Price(0.08, "GB-month", _EBS, confirmed=False),
    "rds.db.t4g.micro": Price(0.016, "hour", _RDS),
    "rds.storage": Price(0.115, "GB-month", _RDS),
    "s3.put": Price(0.005 / 1_000, "PUT, COPY, POST or LIST request", _S3, seen=_SEEN_2026),
    "s3.get": Price(0.0004 / 1_000, "GET or other request", _S3, seen=_SEEN_2026),
    "sqs.request": Price(
        0.40 / MILLION, "request of up to 64 KB, of a standard queue", _SQS, seen=_SEEN_2026
    ),
    "sns.publish": Price(
        0.50 / MILLION, "publish of up to 64 KB, to a standard topic", _SNS, seen=_SEEN_2026
    ),
    "eventbridge.event": Price(1.00 / MILLION, "custom event of up to 64 KB", _EVENTBRIDGE, seen=_SEEN_2026),
    # The first tier: what functions write gets cheaper beyond 10 TB a month.
    "logs.ingested": Price(0.50, "GB", _CLOUDWATCH, seen=_SEEN_2026),
    "scheduler.invocation": Price(1.00 / MILLION, "invocation", _EVENTBRIDGE, seen=_SEEN_2026),
}

WEBSOCKET_UNIT_BYTES = 32 * 1_024  # A message is charged by each such unit that it begins.

# Always free, each month.
FREE_REQUESTS = 1 * MILLION
FREE_GB_SECONDS = 400_000.0


def price(name: str) -> Price:
    """A line of the table. LabError for a name that it does not hold, with those that are near."""
    try:
        return PRICES[name]
    except KeyError:
        family = name.partition(".")[0]
        near = ", ".join(known for known in PRICES if known.startswith(family)) or ", ".join(PRICES)
        raise LabError(f"no price for {name!r}; the table has: {near}") from None


def instance_types() -> tuple[str, ...]:
    """The EC2 instance types that have a price."""
    return tuple(name.removeprefix("ec2.") for name in PRICES if name.startswith("ec2."))


def server_dollars(instance_type: str, hours: float) -> float:
    """What an EC2 instance costs while it is up, busy or not; without its disk and address."""
    return price(f"ec2.{instance_type}").dollars * hours


def server_dollars_a_month(instance_type: str) -> float:
    """The same for a month of 730 hours."""
    return server_dollars(instance_type, HOURS_A_MONTH)


def gb_seconds(memory_mb: float, billed_ms: float) -> float:
    """What one call uses: its memory setting in GB times its billed duration in seconds."""
    return memory_mb / MB_IN_GB * billed_ms / 1_000


def function_dollars(
    requests: float, used_gb_seconds: float, *, architecture: str = "x86_64", free_tier: bool = False
) -> float:
    """What calls of functions cost: per request and per GB-second; first tier, a month's free part only if asked."""
    if free_tier:
        requests = max(0.0, requests - FREE_REQUESTS)
        used_gb_seconds = max(0.0, used_gb_seconds - FREE_GB_SECONDS)
    compute = price(f"lambda.gb_second.{architecture}").dollars * used_gb_seconds
    return price("lambda.request").dollars * requests + compute


def call_dollars(memory_mb: float, billed_ms: float, *, architecture: str = "x86_64") -> float:
    """What one call costs, without the free tier."""
    return function_dollars(1, gb_seconds(memory_mb, billed_ms), architecture=architecture)


def provisioned_dollars(environments: float, memory_mb: float, hours: float) -> float:
    """What provisioned concurrency costs (x86_64) for being there, called or not."""
    held = environments * memory_mb / MB_IN_GB * hours * 3_600
    return price("lambda.provisioned_gb_second.x86_64").dollars * held


def break_even_requests(
    instance_type: str, memory_mb: float, billed_ms: float, *, architecture: str = "x86_64"
) -> float:
    """Requests a month at which a function costs as much as one such server; below it the function is cheaper."""
    return server_dollars_a_month(instance_type) / call_dollars(
        memory_mb, billed_ms, architecture=architecture
    )


def websocket_dollars(messages: float, connection_minutes: float) -> tuple[float, float]:
    """What a WebSocket API costs: for its messages, and for its open connections."""
    return (
        price("gateway.websocket.message").dollars * messages,
        price("gateway.websocket.minute").dollars * connection_minutes,
    )


def websocket_units(size: int) -> int:
    """As how many messages one of `size` bytes is charged."""
    return max(1, -(-size // WEBSOCKET_UNIT_BYTES))
