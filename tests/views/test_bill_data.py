"""The bill that usage makes, its words, and invoices for usage plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from labhelpers.errors import LabError
from labhelpers.views.bill_data import BillData, build_bill, line_words, money, quantity, rate
from labhelpers.views.bill_forms import bill_html, bill_text
from labhelpers.views.bill_invoices import Invoice, KeyUsage, PlanPrice, build_invoices
from labhelpers.views.bill_lines import Database, Facts, Function, Line
from labhelpers.views.bill_usage import Calls, Usage
from tests.views.accounts import COPIER, RECORDS, WRITER

NOW = 1.7e9


def with_calls(*calls: tuple[str, bool, int, float], **counts: int) -> Usage:
    """Usage with these calls of versions: ARN, provisioned, how many, GB-seconds; and other counts."""
    usage = Usage(float)
    usage.calls = {(arn, provisioned): Calls(number, used) for arn, provisioned, number, used in calls}
    usage.counts.update(counts)
    return usage


def lines(data: BillData, service: str) -> dict[str, Line]:
    """The lines of one service, by what they are for."""
    return {line.what: line for each in data.services if each.name == service for line in each.lines}


def test_calls_are_charged_by_number_and_gb_seconds() -> None:
    """Thousand calls of 128 MB and 100 ms: a thousandth of the course's 0.408 dollars a million."""
    data = build_bill(with_calls((COPIER, False, 1000, 12.5)), NOW, Facts({COPIER: Function()}))
    assert round(data.dollars * 1000, 3) == 0.408
    found = lines(data, "AWS Lambda")
    assert list(found) == ["requests", "compute, x86_64"]
    assert found["requests"].dollars == pytest.approx(0.0002)


def test_each_processor_has_its_price() -> None:
    """As list_functions says; a version that it does not name is as its function is, one that is gone as x86_64."""
    facts = Facts({COPIER: Function("arm64", 128)})
    data = build_bill(with_calls((f"{COPIER}:live", False, 1, 1.0), (WRITER, False, 1, 1.0)), NOW, facts)
    found = lines(data, "AWS Lambda")
    assert found["compute, arm64"].dollars == pytest.approx(0.0000133334)
    assert found["compute, x86_64"].note == "of a function that is gone, taken for x86_64"


def test_provisioned_concurrency_is_charged_for_being_there_and_for_calls() -> None:
    """Calls cost less there; on arm64 nobody has told us a price, so there is none."""
    version = f"{COPIER}:1"
    for architecture, dollars in (("x86_64", 0.0000041667), ("arm64", None)):
        usage = with_calls((version, True, 1, 1.0))
        usage.held.on(version, "e1", NOW)
        data = build_bill(usage, NOW + 600, Facts({version: Function(architecture, 1024)}))
        found = lines(data, "AWS Lambda")
        held = found[f"provisioned concurrency, {architecture}"]
        assert (held.quantity, held.dollars) == (600, dollars and pytest.approx(600 * dollars))
        assert (found[f"compute in provisioned environments, {architecture}"].dollars is None) == (
            dollars is None
        )


def test_gateways_are_charged_by_request_message_and_minute() -> None:
    """What is refused for a key or a limit stands there, free."""
    usage = with_calls(REST=2_000_000, HTTP=1_000_000, messages=1_000_000)
    usage.counts["REST refused"] = 5
    usage.connections.on("c", NOW)
    found = lines(build_bill(usage, NOW + 60), "Amazon API Gateway")
    amounts = {what: line.dollars for what, line in found.items()}
    assert amounts == pytest.approx(
        {
            "REST API requests": 7.0,
            "REST API requests refused": 0.0,
            "HTTP API requests": 1.0,
            "WebSocket messages, both ways": 1.0,
            "WebSocket connections": 0.25e-6,
        }
    )
    assert line_words(found["REST API requests refused"])["rate"] == "free"


def test_database_is_charged_by_class_and_storage() -> None:
    """An hour of db.t4g.micro with 20 GB; a class without a price keeps its hours."""
    usage = Usage(float)
    for spans in (usage.databases, usage.storage):
        spans.on(RECORDS, NOW, group=RECORDS)
    for instance_class, dollars in (("db.t4g.micro", 0.016), ("db.r9.huge", None)):
        data = build_bill(usage, NOW + 3600, Facts({}, {RECORDS: Database(instance_class, 20)}))
        hours, storage = lines(data, "Amazon RDS").values()
        assert (hours.quantity, hours.dollars) == (1, dollars)
        assert storage.dollars == pytest.approx(20 * 0.115 / 730)
    (gone,) = lines(build_bill(usage, NOW + 3600), "Amazon RDS").values()
    assert (gone.quantity, gone.dollars) == (1, None)


def test_what_has_no_price_keeps_its_count_and_says_why() -> None:
    """It adds nothing to the bill."""
    usage = Usage(float)
    usage.others["dynamodb"] = 3
    data = build_bill(usage, NOW)
    words = line_words(lines(data, "Amazon DynamoDB")["API calls"])
    assert (words["used"], words["rate"], words["amount"]) == ("3 calls", "not priced here", "–")
    assert "by the size of what is read" in words["note"]
    assert (data.dollars, data.sources) == (0, ())


def test_bill_adds_up_and_says_what_it_leaves_out() -> None:
    """Before the free tier, with the sources of the prices that are on it and of no others."""
    usage = with_calls((COPIER, False, 1, 1.0), sns=1_000_000, sqs=1_000_000)
    usage.counts["s3.put"], usage.counts["s3.get"] = 1_000, 1_000
    usage.missed = 7
    data = build_bill(usage, NOW)
    assert data.dollars == pytest.approx(0.50 + 0.40 + 0.0054 + 0.0000166667 + 0.0000002)
    text = bill_text(data)
    assert "Before any free tier" in text and "has forgotten 7 entries" in text
    assert "seen March to June 2026; today's price: https://aws.amazon.com/s3/pricing/" in text
    assert "rds" not in text


def test_share_of_each_service_is_told() -> None:
    """In percent of what has a price; nothing for what has none."""
    usage = with_calls(sns=999_000)
    usage.counts["s3.get"], usage.others["kinesis"] = 1, 1
    usage.counts["sqs"] = 1_250_000
    data = build_bill(usage, NOW)
    shares = {service.name: data.share(service) for service in data.services}
    assert shares == {
        "Amazon S3": "less than 0.1% of the bill",
        "Amazon SQS": "50.0% of the bill",
        "Amazon SNS": "50.0% of the bill",
        "Amazon Kinesis Data Streams": "",
    }
    assert "Amazon SQS: $0.500, 50.0% of the bill" in bill_text(data)
    assert build_bill(with_calls(), NOW).services == ()


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        (None, "–"),
        (0, "$0"),
        (4.08e-7, "$0.000000408"),
        (0.0104, "$0.0104"),
        (0.5, "$0.500"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_has_the_digits_that_matter(dollars: float | None, shown: str) -> None:
    """However small it is, and never as a power of ten."""
    assert money(dollars) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1, "1 hour"),
        (1200, "1,200 hours"),
        (0.00363, "0.00363 hours"),
        (12.5, "12.5 hours"),
        (975.04, "975.0 hours"),
    ],
)
def test_quantities_have_the_digits_that_matter(number: float, shown: str) -> None:
    """Whole numbers as such."""
    assert quantity(number, "hour") == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("lambda.request", "$0.20 per million requests"),
        ("lambda.gb_second.x86_64", "$0.0000166667 per GB-second"),
        ("gateway.rest.request", "$3.50 per million requests"),
        ("gateway.websocket.message", "$1.00 per million messages of up to 32 KB"),
        ("s3.get", "$0.0004 per 1,000 GET or other requests"),
        ("sns.publish", "$0.50 per million publishes of up to 64 KB, to a standard topic"),
        ("rds.db.t4g.micro", "$0.016 per hour"),
        ("logs.ingested", "$0.50 per GB"),
    ],
)
def test_rate_is_told_as_on_a_bill(name: str, shown: str) -> None:
    """By the million or thousand where one costs next to nothing."""
    assert rate(name) == shown


USED = (
    KeyUsage("basic", "grace", "grace-1", 50),
    KeyUsage("basic", "grace", "grace-2", 11),
    KeyUsage("free", "ada", "ada-1", 25),
)


def test_customer_gets_one_invoice_for_all_keys_of_a_plan() -> None:
    """The fee, and what is beyond the requests that it includes; a plan without a price has no total."""
    prices: Mapping[str, Any] = {"basic": {"fee": 9, "included": 50, "per_call": 0.02}}
    ada, grace = build_invoices(USED, prices)
    assert ada == Invoice("free", "ada", ("ada-1",), 25, None)
    assert (ada.total, grace.keys, grace.used, grace.total) == (None, ("grace-1", "grace-2"), 61, 9.22)
    assert grace.terms == "fee $9.00 with 50 requests, then $0.02 a request"


def test_one_number_is_the_price_of_each_call() -> None:
    """Of all plans, or of one."""
    assert [each.total for each in build_invoices(USED, 0.01)] == [0.25, 0.61]
    assert build_invoices(USED, {"free": 0.5})[0].price == PlanPrice(0.5)


def test_price_that_is_none_is_refused() -> None:
    """With the words that it may have."""
    with pytest.raises(LabError, match=r"price of the plan 'free' is a number, or a dict with per_call"):
        build_invoices(USED, {"free": {"fees": 1}})


def test_forms_show_names_as_text() -> None:
    """A customer's name is no HTML; the static form has heads for its rows and columns."""
    evil = build_invoices([KeyUsage("plan", "<script>", "k", 1)], 0.01)
    data = build_bill(with_calls((COPIER, False, 1, 1.0)), NOW, invoices=evil)
    html = bill_html(data)
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert '<th scope="col"' in html and '<th scope="row' in html
    assert "<script>, plan plan, keys k: 1 requests, $0.01 a request = $0.01" in bill_text(data)
    assert "Usage plans in November 2023" in html
