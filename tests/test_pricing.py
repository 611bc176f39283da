"""The price table, and the worked values that the course shows."""

import pytest

from labhelpers.errors import LabError
from labhelpers.pricing import (
    HOURS_A_MONTH,
    MILLION,
    PRICES,
    break_even_requests,
    call_dollars,
    function_dollars,
    gb_seconds,
    instance_types,
    price,
    provisioned_dollars,
    server_dollars,
    server_dollars_a_month,
    websocket_dollars,
    websocket_units,
)


@pytest.mark.parametrize(
    ("memory_mb", "billed_ms", "dollars"), [(128, 100, 0.408), (512, 200, 1.867), (1024, 500, 8.533)]
)
def test_a_million_calls_cost_what_the_course_says(memory_mb: int, billed_ms: int, dollars: float) -> None:
    """Requests and GB-seconds together, without the free tier."""
    assert round(MILLION * call_dollars(memory_mb, billed_ms), 3) == dollars


@pytest.mark.parametrize(
    ("memory_mb", "billed_ms", "millions"), [(128, 100, 18.6), (512, 200, 4.07), (1024, 500, 0.89)]
)
def test_break_even_is_where_the_course_says(memory_mb: int, billed_ms: int, millions: float) -> None:
    """Against one t3.micro for a month of 730 hours."""
    requests = break_even_requests("t3.micro", memory_mb, billed_ms)
    assert float(f"{requests / MILLION:.3g}") == millions
    assert requests * call_dollars(memory_mb, billed_ms) == pytest.approx(server_dollars_a_month("t3.micro"))


def test_server_is_charged_by_the_hour_that_it_is_up() -> None:
    """7.59 dollars a month for a t3.micro, whether it works or not."""
    assert round(server_dollars_a_month("t3.micro"), 2) == 7.59
    assert server_dollars("t3.micro", 1) == 0.0104
    assert HOURS_A_MONTH == 730


def test_dashboard_costs_what_the_course_says() -> None:
    """1,000 clients, 8 h a day on 22 days, a message to each every 5 s."""
    minutes = 1_000 * 8 * 22 * 60
    messages, connections = websocket_dollars(minutes * 60 / 5, minutes)
    assert (round(messages, 2), round(connections, 2)) == (126.72, 2.64)


def test_free_tier_takes_a_million_requests_and_its_gb_seconds_off() -> None:
    """It never makes a bill negative."""
    assert function_dollars(MILLION, 400_000, free_tier=True) == 0
    assert function_dollars(10, 1, free_tier=True) == 0
    assert function_dollars(2 * MILLION, 400_000, free_tier=True) == pytest.approx(0.20)


def test_gb_seconds_are_memory_times_time() -> None:
    """1,024 MB for a second is one."""
    assert gb_seconds(1024, 1000) == 1
    assert gb_seconds(128, 100) == 0.0125


def test_arm_is_cheaper() -> None:
    """The same second, another processor."""
    assert call_dollars(1024, 1000, architecture="arm64") < call_dollars(1024, 1000)


def test_unknown_price_names_those_that_exist() -> None:
    """Of the same family, if there is one."""
    with pytest.raises(LabError, match=r"no price for 'ec2.m7i.large'; the table has: ec2.t3.nano"):
        price("ec2.m7i.large")
    with pytest.raises(LabError, match=r"lambda\.request"):
        price("quantum")


def test_every_price_says_where_and_when_it_was_seen() -> None:
    """No figure without its source."""
    for name, line in PRICES.items():
        assert line.dollars > 0 and line.unit, name
        assert line.source and line.seen and line.page.startswith("https://aws.amazon.com/"), name


def test_instance_types_have_no_prefix() -> None:
    """As a learner writes them."""
    assert "t3.micro" in instance_types()


def test_provisioned_concurrency_costs_by_its_hours() -> None:
    """A thousand environments of 1 GB for two hours, called or not: AWS's own example says 30 dollars."""
    assert round(provisioned_dollars(1_000, 1_024, 2), 2) == 30.0


@pytest.mark.parametrize(
    ("size", "units"), [(0, 1), (1, 1), (32 * 1024, 1), (32 * 1024 + 1, 2), (128 * 1024, 4)]
)
def test_large_message_is_charged_as_several(size: int, units: int) -> None:
    """AWS's page: a message of 33 KB is metered as two."""
    assert websocket_units(size) == units


@pytest.mark.parametrize(
    ("name", "a_million"),
    [
        ("s3.put", 5.0),
        ("s3.get", 0.4),
        ("sqs.request", 0.4),
        ("sns.publish", 0.5),
        ("eventbridge.event", 1.0),
        ("scheduler.invocation", 1.0),
    ],
)
def test_a_million_requests_cost_what_the_tables_say(name: str, a_million: float) -> None:
    """S3's tables are by the thousand, all others by the million."""
    assert MILLION * price(name).dollars == pytest.approx(a_million)
