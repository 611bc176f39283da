"""The gauges' Python side with a lab's journal, and each gauge with a real lab."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from labhelpers.course.deploy import deploy_function
from labhelpers.errors import LabError
from labhelpers.lab import Lab
from labhelpers.views.aws import client
from labhelpers.views.gauges import Gauges
from labhelpers.views.gauges_data import duration
from labhelpers.views.gauges_quotas import Items
from labhelpers.views.gauges_reader import HTTP, LAMBDA, REST, SettingsReader, changed_service
from labhelpers.views.gauges_settings import Limit, Plan, QuotaLimit, Settings, Stage
from tests.conftest import wait_for
from tests.views.gauges_lab import TimedFakeLab, recorded
from tests.views.test_live_map import Watch, write

REQUESTS = [entry for entry in recorded("requests") if entry["detail"]["api"] == "REST"]
API, STAGE = REQUESTS[0]["resource"].split(":")[5].split("/")[:2]
KEY = REQUESTS[0]["detail"]["api_key_id"]
PLAN = Plan("p", "free", frozenset({(API, STAGE)}), Limit(5, 10), {}, {KEY: "ada"}, QuotaLimit(25, "DAY"))
SETTINGS = Settings((Stage(API, "shop", "REST", STAGE),), (PLAN,))


class Reader:
    """AWS's settings as a test has them."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.used = 3
        self.error: Exception | None = None
        self.is_outdated = True
        self.closed = threading.Event()

    def notice(self, service: str) -> None:
        self.is_outdated |= bool(service)

    def read(self) -> Settings:
        if self.error:
            raise self.error
        self.is_outdated = False
        return self.settings

    def usage(self, plans: Iterable[Plan], lab_now: float) -> dict[str, Items]:
        return {"p": {KEY: [[self.used, 25 - self.used]]}}

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def fake_lab() -> Iterator[TimedFakeLab]:
    """A lab that ends with the test."""
    made = TimedFakeLab()
    yield made
    made.end()


def call(path: str, service: str = "apigateway", status: int = 200) -> dict[str, Any]:
    """The entry of a call that changes settings."""
    detail = {"service": service, "call": path, "status": status}
    return {"kind": "api.call", "at": 0.0, "resource": "", "request_id": "", "detail": detail}


def numbered(entries: Iterable[dict[str, Any]], first: int = 1) -> list[dict[str, object]]:
    """The entries, numbered as a journal has them."""
    return [{**entry, "seq": first + number} for number, entry in enumerate(entries)]


def test_gauges_show_the_past_and_follow(fake_lab: TimedFakeLab) -> None:
    """Requests of before count by the settings of now; usage is read again when a key has asked."""
    write(fake_lab, numbered(REQUESTS[:14]))
    reader = Reader()
    gauges = Gauges(fake_lab, reader=reader)
    assert gauges.data["buckets"][0]["throttled"] == 3
    assert gauges.data["quotas"][0]["left"] == 22
    watch = Watch(gauges, "data")
    reader.used = 20
    write(fake_lab, numbered(REQUESTS[14:22], 15))
    watch.until(lambda: gauges.data["buckets"][0]["throttled"] == 5 and gauges.data["quotas"][0]["left"] == 5)
    text = gauges.to_text()
    assert "plan free, key ada: 10.0 of 10 tokens, 5 a second flow in; 17 let through, 5 throttled" in text
    assert "plan free, key ada: 20 used of 25 a day, 5 left; begins anew in" in text
    gauges.close()
    assert fake_lab.streams[0].closed.is_set() and reader.closed.wait(5)


def test_new_settings_are_read_before_the_requests_that_meet_them(fake_lab: TimedFakeLab) -> None:
    """In the order of the journal; what a reader can't read is shown, and taken up when it can."""
    reader = Reader(Settings())
    gauges = Gauges(fake_lab, "buckets", reader=reader)
    assert gauges.data["buckets"] == []
    watch = Watch(gauges, "data", "problem")
    reader.settings, reader.error = SETTINGS, OSError("no answer")
    write(fake_lab, numbered([call("POST /usageplans"), *REQUESTS[:4]]))
    watch.until(lambda: "OSError: no answer" in gauges.problem)
    reader.error = None
    watch.until(lambda: gauges.data["buckets"] and gauges.data["buckets"][0]["passed"] == 4)
    watch.until(lambda: not gauges.problem)
    gauges.close()


def test_sections_are_those_that_are_named(fake_lab: TimedFakeLab) -> None:
    """In their own order; another name is refused with those that there are."""
    gauges = Gauges(fake_lab, "weights", "quotas", reader=Reader())
    assert [section[0] for section in gauges.data["sections"]] == ["quotas", "weights"]
    assert "Token buckets" not in gauges.to_text()
    assert "No function has an alias" in gauges.to_text()
    gauges.close()
    with pytest.raises(LabError, match="no gauge 'bucket'; there are buckets, quotas, retries, weights"):
        Gauges(fake_lab, "bucket")


def test_quota_begins_anew_on_the_lab_s_clock(fake_lab: TimedFakeLab) -> None:
    """A step over midnight is a new period, and usage is read at once."""
    reader = Reader()
    fake_lab.reads = 86_400.0 * 20_000 + 3_600
    gauges = Gauges(fake_lab, "quotas", reader=reader)
    assert "begins anew in 23 h 0 min" in gauges.to_text() or "22 h 59 min" in gauges.to_text()
    watch = Watch(gauges, "data")
    reader.used = 0
    step = {"now": fake_lab.reads + 86_400, "speed": 1.0, "seconds": 86_400.0}
    entry = {"kind": "clock.step", "at": time.time(), "resource": "", "request_id": "", "detail": step}
    write(fake_lab, numbered([entry]))
    watch.until(lambda: gauges.data["quotas"][0]["used"] == 0)
    assert gauges.data["lab_now"] == pytest.approx(fake_lab.reads + 86_400, abs=5)
    gauges.close()


def test_gauges_stay_as_they_were_when_the_lab_ends(fake_lab: TimedFakeLab) -> None:
    """The last entries are taken, though nobody answers any more."""
    reader = Reader()
    gauges = Gauges(fake_lab, "retries", reader=reader)
    reader.is_outdated, reader.error = True, EndpointConnectionError(endpoint_url="gone")
    watch = Watch(gauges, "state", "data")
    write(fake_lab, numbered(recorded("events")[:4]))
    fake_lab.end()
    watch.until(lambda: gauges.state == "ended" and gauges.data["waiting"])
    assert reader.closed.wait(5)
    gauges.close()


def test_no_leak_over_a_thousand_updates(fake_lab: TimedFakeLab) -> None:
    """What is kept is bounded, and what is sent to the page does not grow."""
    gauges = Gauges(fake_lab, reader=Reader())
    for number in range(1_000):
        gauges.on_entries([{**entry, "at": entry["at"] + number} for entry in REQUESTS[:14]])
        gauges._step()
    assert gauges.data["buckets"][0]["passed"] == 11_000
    sizes = [len(level._times) for level in gauges._buckets._levels.values()]
    assert max(sizes) <= 4_000 and not gauges._came
    assert len(json.dumps(gauges.data)) < 2_000
    threads = [thread.name for thread in threading.enumerate()]
    assert threads.count("labhelpers-gauges") == 1
    gauges.close()
    wait_for(lambda: "labhelpers-gauges" not in [thread.name for thread in threading.enumerate()])


@pytest.mark.parametrize(
    ("entry", "service"),
    [
        (call("PUT /2015-03-31/functions/f/aliases/live", "lambda"), LAMBDA),
        (call("POST /2015-03-31/functions", "lambda", 201), LAMBDA),
        (call("PATCH /usageplans/p"), REST),
        (call("POST /restapis/a/deployments", status=201), REST),
        (call("PATCH /v2/apis/a/stages/%24default", "apigatewayv2"), HTTP),
        (call("GET /usageplans"), ""),
        (call("PATCH /usageplans/p", status=400), ""),
        (call("PUT /restapis/a/resources/r/methods/GET"), ""),
        (call("PUT /2021-10-31/functions/f/url", "lambda"), ""),
    ],
)
def test_calls_that_change_settings_are_known(entry: dict[str, Any], service: str) -> None:
    """Others, and those that failed, let nothing be read again: reading is a call itself."""
    assert changed_service(entry) == service


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (42, "42 s"), (60, "1 min 0 s"), (3_700, "1 h 1 min"), (90_000, "1 d 1 h")],
)
def test_duration_has_two_units(seconds: float, words: str) -> None:
    """The largest ones."""
    assert duration(seconds) == words


# --- With a real lab ---

MAIL = """
def handler(event, context):
    if event.get("fails"):
        raise RuntimeError("no mail server")
    return {"statusCode": 200, "body": context.function_version}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with the function mail."""
    file = Path(tmp_path_factory.mktemp("gauges")) / "mail.py"
    file.write_text(MAIL, encoding="utf-8")
    with Lab() as running:
        deploy_function("mail", file, running.role_arn)
        yield running


def ask(lab: Lab, path: str, key: str = "") -> int:
    """The status of a request to an API."""
    request = urllib.request.Request(f"{lab.endpoint_url}/_aws/execute-api/{path}")
    if key:
        request.add_header("x-api-key", key)
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def shop(*, key_required: bool) -> str:
    """A REST API with GET /, which answers by itself, in the stage live; its id."""
    with client("apigateway") as apis:
        api = apis.create_rest_api(name="shop")["id"]
        (root,) = apis.get_resources(restApiId=api)["items"]
        method = {"restApiId": api, "resourceId": root["id"], "httpMethod": "GET"}
        apis.put_method(**method, authorizationType="NONE", apiKeyRequired=key_required)
        apis.put_method_response(**method, statusCode="200")
        apis.put_integration(
            **method, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'}
        )
        apis.put_integration_response(**method, statusCode="200")
        apis.create_deployment(restApiId=api, stageName="live")
    return str(api)


def test_plan_of_a_real_lab(lab: Lab) -> None:
    """Bucket and quota of a key go down with its requests, and as the gateway's own do."""
    gauges = Gauges(lab, "buckets", "quotas")
    api = shop(key_required=True)
    with client("apigateway") as apis:
        plan = apis.create_usage_plan(
            name="free",
            throttle={"rateLimit": 0.01, "burstLimit": 5},
            quota={"limit": 4, "period": "DAY"},
            apiStages=[{"apiId": api, "stage": "live"}],
        )["id"]
        key = apis.create_api_key(name="ada", enabled=True)
        apis.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
        wait_for(lambda: gauges.data["quotas"])
        assert gauges.data["buckets"][0]["level"] == 5
        assert [ask(lab, f"{api}/live/", key["value"]) for _ in range(6)] == [200] * 4 + [429] * 2
        wait_for(
            lambda: gauges.data["quotas"][0]["left"] == 0 and gauges.data["buckets"][0]["throttled"] == 1
        )
        (bucket,) = gauges.read().buckets
        assert bucket.passed == 5 and bucket.level < 1  # The fifth had a token, but no quota.
        grant = {"op": "replace", "path": "/remaining", "value": "7"}
        apis.update_usage(usagePlanId=plan, keyId=key["id"], patchOperations=[grant])
        wait_for(lambda: gauges.data["quotas"][0]["left"] == 7)
        lab.step_clock(86_400)
        wait_for(lambda: gauges.data["quotas"][0]["used"] == 0)
        apis.delete_usage_plan_key(usagePlanId=plan, keyId=key["id"])
        apis.delete_rest_api(restApiId=api)
    wait_for(lambda: not gauges.data["quotas"] and not gauges.data["buckets"])
    assert not gauges.problem
    gauges.close()


def test_throttled_route_of_a_real_lab(lab: Lab) -> None:
    """A stage's default throttle gives each route a bucket, which fills again."""
    gauges = Gauges(lab, "buckets")
    with client("apigatewayv2") as apis, client("lambda") as functions:
        arn = functions.get_function(FunctionName="mail")["Configuration"]["FunctionArn"]
        permission = {"Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com"}
        functions.add_permission(FunctionName="mail", StatementId="http", **permission)
        api = apis.create_api(Name="quick", ProtocolType="HTTP", Target=arn)["ApiId"]
        throttle = {"ThrottlingRateLimit": 20.0, "ThrottlingBurstLimit": 3}
        apis.update_stage(ApiId=api, StageName="$default", DefaultRouteSettings=throttle)
        statuses = [ask(lab, f"{api}/") for _ in range(12)]
        refused = statuses.count(429)
        wait_for(lambda: gauges.data["buckets"] and gauges.data["buckets"][0]["throttled"] == refused)
        (bucket,) = gauges.data["buckets"]
        assert (bucket["owner"], bucket["scope"]) == ("stage $default of quick", "$default")
        assert bucket["passed"] == 12 - refused
        wait_for(lambda: gauges.read().buckets[0].level == 3)
        apis.delete_api(ApiId=api)
    gauges.close()


def test_retries_of_a_real_lab(lab: Lab) -> None:
    """An event that fails is due a minute later on the lab's clock, then two, then it is in its queue."""
    gauges = Gauges(lab, "retries")
    with client("lambda") as functions, client("sqs") as queues:
        url = queues.create_queue(QueueName="dead")["QueueUrl"]
        wanted = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        dead = {"TargetArn": wanted["Attributes"]["QueueArn"]}
        functions.update_function_configuration(FunctionName="mail", DeadLetterConfig=dead)
        functions.get_waiter("function_updated_v2").wait(FunctionName="mail")
        functions.invoke(FunctionName="mail", InvocationType="Event", Payload='{"fails": true}')
    for tries, wait_s in ((1, 60), (2, 120)):
        wait_for(lambda tries=tries: [retry["tries"] for retry in gauges.data["waiting"]] == [tries])
        wait_for(lambda: gauges.data["waiting"][0]["state"] == "waiting")
        left = gauges.data["waiting"][0]["due"] - lab.now().timestamp()
        assert wait_s - 10 < left < wait_s
        lab.step_clock(wait_s)
    wait_for(lambda: [retry["state"] for retry in gauges.data["ended"]] == ["dead-letter queue"])
    assert (
        "dropped after 3 tries (RetriesExhausted); the event is in dead-letter queue dead" in gauges.to_text()
    )
    gauges.close()


def test_weights_of_a_real_lab(lab: Lab) -> None:
    """What AWS answers as the executed version is what is counted; a canary's share too."""
    gauges = Gauges(lab, "weights")
    with client("lambda") as functions, client("apigateway") as apis:
        first = functions.publish_version(FunctionName="mail")["Version"]
        functions.update_function_configuration(FunctionName="mail", Timeout=9)
        functions.get_waiter("function_updated_v2").wait(FunctionName="mail")
        second = functions.publish_version(FunctionName="mail")["Version"]
        weights = {"AdditionalVersionWeights": {second: 0.4}}
        alias = {"FunctionName": "mail", "Name": "live", "RoutingConfig": weights}
        functions.create_alias(**alias, FunctionVersion=first)
        call = {"FunctionName": "mail", "Qualifier": "live", "Payload": "{}"}
        ran = [functions.invoke(**call)["ExecutedVersion"] for _ in range(30)]
        wait_for(lambda: gauges.read().weights and gauges.read().weights[0].calls == 30)
        shares = {share.name: (share.configured, share.calls) for share in gauges.read().weights[0].shares}
        assert shares == {
            f"version {first}": (0.6, ran.count(first)),
            f"version {second}": (0.4, ran.count(second)),
        }
        functions.update_alias(FunctionName="mail", Name="live", RoutingConfig={})
        wait_for(lambda: gauges.read().weights[0].calls == 0)
        api = shop(key_required=False)
        apis.create_deployment(restApiId=api, stageName="live", canarySettings={"percentTraffic": 100.0})
        assert {ask(lab, f"{api}/live/") for _ in range(3)} == {200}
        wait_for(lambda: [one.calls for one in gauges.read().weights] == [0, 3])
        assert [share.calls for share in gauges.read().weights[1].shares] == [0, 3]
    gauges.close()


def test_services_that_nobody_has_called_are_not_asked() -> None:
    """A reader that was told nothing makes no client; it asks only what it was told of."""
    asked: list[str] = []

    def make_client(service: str) -> Any:
        asked.append(service)
        raise LabError("stop here")

    reader = SettingsReader(make_client)
    assert reader.read() == Settings()
    reader.notice("")
    reader.notice("s3")
    assert not reader.is_outdated
    reader.notice(HTTP)
    with pytest.raises(LabError, match="stop here"):
        reader.read()
    assert asked == [HTTP] and reader.is_outdated
