"""The bill as a view: it follows the journal, the clock, and what AWS's APIs say."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from labhelpers.course.deploy import zip_code
from labhelpers.errors import LabError
from labhelpers.lab import Lab
from labhelpers.views.aws import client
from labhelpers.views.bill import Bill
from labhelpers.views.bill_invoices import KeyUsage
from labhelpers.views.bill_lines import Facts, Function
from labhelpers.views.bill_reader import outdated
from labhelpers.views.gauges import Gauges
from labhelpers.views.live_map import LiveMap
from tests.conftest import wait_for
from tests.views.accounts import COPIER, Writer
from tests.views.gauges_lab import TimedFakeLab
from tests.views.test_live_map import Watch, write


class Reader:
    """AWS's APIs, as a test has them answer."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.used = 0
        self.error: Exception | None = None
        self.closed = threading.Event()

    def facts(self, services: Collection[str]) -> Facts:
        self.asked.append(set(services))
        if self.error:
            raise self.error
        return Facts({COPIER: Function()})

    def usage(self, lab_now: float) -> tuple[KeyUsage, ...]:
        return (KeyUsage("basic", "grace", "grace-1", self.used),)

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def lab() -> Iterator[TimedFakeLab]:
    """A lab that ends with the test."""
    made = TimedFakeLab()
    yield made
    made.end()


def calls(number: int) -> list[dict[str, Any]]:
    """A journal with so many calls of 1 GB and a second."""
    writer = Writer()
    for _ in range(number):
        writer("invoke.ended", COPIER, memory_mb=1024, billed_ms=1000)
    return writer.entries


def test_bill_takes_the_past_and_goes_on(lab: TimedFakeLab) -> None:
    """It ends with the lab, and closes what it opened."""
    entries = calls(3)
    write(lab, entries[:1])
    reader = Reader()
    bill = Bill(lab, reader=reader)
    assert bill.data["total"] == "$0.0000169"
    watch = Watch(bill, "data", "state")
    write(lab, entries[1:])
    watch.until(lambda: bill.data["total"] == "$0.0000506")
    lab.end()
    watch.until(lambda: bill.state == "ended")
    assert reader.closed.wait(5)
    assert "compute, x86_64: 3 GB-seconds" in bill.to_text()
    bill.close()
    assert lab.streams[0].closed.is_set()


def test_time_that_is_stepped_over_is_charged(lab: TimedFakeLab) -> None:
    """By the lab's clock: a connection that stays open for an hour of it costs its 60 minutes."""
    writer = Writer()
    writer("lab.started", now=1.7e9, speed=1.0)
    writer("websocket.connected", connection="a", status=200)
    writer("clock.step", now=1.7e9 + 3600, speed=1.0)
    writer("websocket.disconnected", connection="a")
    write(lab, writer.entries)
    bill = Bill(lab, reader=Reader())
    (line,) = bill.data["services"][0]["lines"]
    assert line["used"] == "60 minutes"
    bill.close()


def test_invoices_follow_what_keys_use(lab: TimedFakeLab) -> None:
    """They are read again when a request with a key is over; without prices nothing is asked."""
    reader = Reader()
    bill = Bill(lab, plan_prices={"basic": 0.5}, reader=reader)
    watch = Watch(bill, "data")
    reader.used = 4
    writer = Writer()
    writer("gateway.request", api="REST", api_key_id="k")
    write(lab, writer.entries)
    watch.until(lambda: [each["total"] for each in bill.data["invoices"]] == ["$2.00"])
    bill.close()
    asked = len(reader.asked)
    without = Bill(lab, reader=reader)
    assert without.data["invoices"] == []
    assert len(reader.asked) == asked
    without.close()


def test_bill_that_begins_late_asks_for_all(lab: TimedFakeLab) -> None:
    """When the journal has forgotten its beginning nobody knows what there is."""
    write(lab, calls(5)[3:])
    reader = Reader()
    bill = Bill(lab, reader=reader)
    assert reader.asked == [{"lambda", "rds", "apigateway"}]
    assert "has forgotten 3 entries" in bill.to_text()
    bill.close()


def test_what_cannot_be_read_is_shown(lab: TimedFakeLab) -> None:
    """In the bill, which asks again."""
    reader = Reader()
    reader.error = ValueError("no answer")
    writer = Writer()
    writer("function.created", COPIER)
    write(lab, writer.entries)
    bill = Bill(lab, reader=reader)
    assert bill.problem == "The bill could not be read: ValueError: no answer"
    assert bill.data["total"] == "$0"
    watch = Watch(bill, "problem")
    reader.error = None
    watch.until(lambda: bill.problem == "")
    bill.close()


def test_wrong_price_is_refused_at_once(lab: TimedFakeLab) -> None:
    """Before anything is followed."""
    with pytest.raises(LabError, match="price of the plan 'basic'"):
        Bill(lab, plan_prices={"basic": {"per": 1}})
    assert not lab.streams


def test_thousand_updates_leave_no_thread_behind(lab: TimedFakeLab) -> None:
    """And no more data than one."""
    before = threading.active_count()
    bill = Bill(lab, reader=Reader())
    watch = Watch(bill, "data")
    write(lab, calls(1_000))
    watch.until(
        lambda: bill.data["services"] and bill.data["services"][0]["lines"][0]["used"] == "1,000 requests"
    )
    assert len(json.dumps(bill.data)) < 2_000
    bill.close()
    for thread in threading.enumerate():
        if thread.name.startswith("labhelpers-"):
            thread.join(5)
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("kind", "detail", "service"),
    [
        ("function.created", {}, "lambda"),
        ("version.published", {}, "lambda"),
        ("database.state", {"state": "available"}, "rds"),
        ("api.call", {"service": "rds", "call": "ModifyDBInstance"}, "rds"),
        ("api.call", {"service": "apigateway", "call": "POST /usageplans"}, "apigateway"),
        ("api.call", {"service": "apigateway", "call": "GET /usageplans"}, ""),
        ("api.call", {"service": "s3", "call": "PUT /bucket/key"}, ""),
        ("gateway.request", {"api_key_id": "k"}, "apigateway"),
        ("gateway.request", {}, ""),
    ],
)
def test_only_what_may_have_changed_is_read_again(kind: str, detail: dict[str, Any], service: str) -> None:
    """The bill's own reading is no change."""
    assert outdated({"kind": kind, "detail": detail}) == service


def make_api(apis: Any) -> tuple[str, str]:
    """A REST API that answers by itself to a key of the plan basic, which is grace's; its id, and the key."""
    api = apis.create_rest_api(name="shop")["id"]
    root = apis.get_resources(restApiId=api)["items"][0]["id"]
    method = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    apis.put_method(**method, authorizationType="NONE", apiKeyRequired=True)
    apis.put_method_response(**method, statusCode="200")
    apis.put_integration(**method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    apis.put_integration_response(**method, statusCode="200")
    apis.create_deployment(restApiId=api, stageName="live")
    plan = apis.create_usage_plan(name="basic", apiStages=[{"apiId": api, "stage": "live"}])["id"]
    key = apis.create_api_key(name="grace-1", customerId="grace", enabled=True)
    apis.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return api, key["value"]


def test_bill_of_a_real_lab(tmp_path: Path) -> None:
    """A function that is gone again, requests with a key, one without, and an object; counted as they were made."""
    handler = tmp_path / "answer.py"
    handler.write_text("def handler(event, context):\n    return 1\n", encoding="utf-8")
    with Lab() as lab, client("lambda") as functions, client("apigateway") as apis, client("s3") as s3:
        functions.create_function(
            FunctionName="answer",
            Runtime="python3.13",
            Role=lab.role_arn,
            Handler="answer.handler",
            Code={"ZipFile": zip_code(handler)},
            MemorySize=256,
            Architectures=["arm64"],
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="answer", WaiterConfig={"Delay": 1})
        functions.invoke(FunctionName="answer")
        api, key = make_api(apis)
        bill = Bill(lab, plan_prices={"basic": {"fee": 1, "included": 1, "per_call": 0.5}})
        functions.delete_function(FunctionName="answer")
        address = f"{lab.endpoint_url}/_aws/execute-api/{api}/live/"
        for headers in ({"x-api-key": key}, {"x-api-key": key}, {}):
            with contextlib.suppress(HTTPError):
                urlopen(Request(address, headers=headers)).close()
        s3.create_bucket(Bucket="inbox")
        wait_for(lambda: bill.data["invoices"] and bill.data["invoices"][0]["used"] == "2", "the usage")
        wait_for(lambda: "Amazon S3" in bill.to_text(), "the bucket")
        found = {line["what"]: line["used"] for service in bill.data["services"] for line in service["lines"]}
        assert found["requests"] == "1 request" and "compute, arm64" in found
        assert found["REST API requests"] == "2 requests"
        assert found["REST API requests refused"] == "1 request"
        assert found["PUT, COPY, POST and LIST requests"] == "1 request"
        assert bill.data["invoices"][0] | {"used": ""} == {
            "customer": "grace",
            "plan": "basic",
            "keys": "grace-1",
            "used": "",
            "terms": "fee $1.00 with 1 requests, then $0.5 a request",
            "total": "$1.50",
        }
    wait_for(lambda: bill.state == "ended", "the end")
    assert bill.problem == ""
    bill.close()


def test_what_comes_just_before_the_end_is_on_the_views() -> None:
    """A notebook run in one go calls, deletes and closes at once: its views then show how things really ended."""
    with Lab() as lab, client("apigateway") as apis, client("s3") as s3:
        api, key = make_api(apis)
        address = f"{lab.endpoint_url}/_aws/execute-api/{api}/live/"
        quota = {"/quota/limit": "9", "/quota/period": "DAY"}
        apis.update_usage_plan(
            usagePlanId=apis.get_usage_plans()["items"][0]["id"],
            patchOperations=[
                {"op": "replace", "path": path, "value": value} for path, value in quota.items()
            ],
        )
        s3.create_bucket(Bucket="inbox")
        bill, gauges, live_map = Bill(lab, plan_prices=0.5), Gauges(lab, "quotas"), LiveMap(lab)
        assert "inbox" in live_map.to_text()
        for _ in range(3):
            urlopen(Request(address, headers={"x-api-key": key})).close()
        s3.delete_bucket(Bucket="inbox")
    for view in (bill, gauges, live_map):
        wait_for(lambda view=view: view.state == "ended", "the end")
        assert view.problem == ""
    assert bill.data["invoices"][0]["used"] == "3"
    assert "3 used" in gauges.to_text()
    assert "inbox" not in live_map.to_text()
    for view in (bill, gauges, live_map):
        view.close()
