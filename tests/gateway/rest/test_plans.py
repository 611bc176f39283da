"""API keys and usage plans, end to end: who may call, how fast, and how often."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.gateway.rest.gateway import RestApi, RestGateway, message

GIVES_KEY = """
def handler(event, context):
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "me", "policyDocument": policy, "usageIdentifierKey": event["authorizationToken"]}
"""
THROTTLED = (429, "Too Many Requests")
USED_UP = (429, "Limit Exceeded")


class Keyed:
    """An API whose methods want a key, a usage plan for its stage, and a key in it."""

    def __init__(self, gateway: RestGateway, *paths: str, plan: Any = None, **api_settings: Any) -> None:
        self.api: RestApi = gateway.rest_api(**api_settings)
        for path in paths or ("/",):
            self.api.mock(path, method_settings={"apiKeyRequired": True})
        self.api.deploy()
        self.client = gateway.rest
        self.key = self.client.create_api_key(name=uuid.uuid4().hex, enabled=True)
        stages = [{"apiId": self.api.id, "stage": "prod"}]
        self.plan_id = self.client.create_usage_plan(name="plan", apiStages=stages, **(plan or {}))["id"]
        self.client.create_usage_plan_key(usagePlanId=self.plan_id, keyId=self.key["id"], keyType="API_KEY")

    def ask(self, path: str = "/", key: str | None = None) -> tuple[int, Any]:
        """Status and message of a request with the key."""
        answer = self.api.ask(path, headers={"x-api-key": key or self.key["value"]})
        return (200, None) if answer.status == 200 else message(answer)

    def patch_plan(self, *patches: dict[str, str]) -> Any:
        """UpdateUsagePlan."""
        return self.client.update_usage_plan(usagePlanId=self.plan_id, patchOperations=list(patches))

    def used(self) -> list[list[int]]:
        """What GetUsage says of today: used, left."""
        today = datetime.now(UTC).date().isoformat()
        found = self.client.get_usage(usagePlanId=self.plan_id, startDate=today, endDate=today)
        days: list[list[int]] = found["items"][self.key["id"]]
        return days


def test_key_is_needed_and_must_be_good(gateway: RestGateway) -> None:
    """Missing, unknown, disabled, of no plan of the stage: 403 Forbidden all the same. No deployment is needed."""
    keyed = Keyed(gateway)
    forbidden = (403, "Forbidden")
    assert keyed.ask() == (200, None)
    assert message(keyed.api.ask()) == forbidden
    assert keyed.api.ask().headers["x-amzn-errortype"] == "ForbiddenException"
    assert keyed.ask(key="no key") == forbidden
    stranger = keyed.client.create_api_key(name="stranger", enabled=True)
    assert keyed.ask(key=stranger["value"]) == forbidden
    for enabled, expected in (("false", forbidden), ("true", (200, None))):
        patch = {"op": "replace", "path": "/enabled", "value": enabled}
        keyed.client.update_api_key(apiKey=keyed.key["id"], patchOperations=[patch])
        assert keyed.ask() == expected
    keyed.patch_plan({"op": "remove", "path": "/apiStages", "value": f"{keyed.api.id}:prod"})
    assert keyed.ask() == forbidden


def test_authorizer_may_give_the_key(gateway: RestGateway) -> None:
    """With apiKeySource AUTHORIZER the header counts for nothing."""
    keyed = Keyed(gateway, apiKeySource="AUTHORIZER")
    its_id = keyed.api.authorizer("TOKEN", gateway.function(GIVES_KEY))
    keyed.api.mock(
        "/x", method_settings={"apiKeyRequired": True, "authorizationType": "CUSTOM", "authorizerId": its_id}
    )
    keyed.api.deploy()
    assert keyed.ask("/") == (403, "Forbidden")
    headers = {"Authorization": keyed.key["value"]}
    assert keyed.api.ask("/x", headers=headers).status == 200
    assert message(keyed.api.ask("/x", headers={"Authorization": "no key"})) == (403, "Forbidden")


def test_quota_is_used_up_and_can_be_extended(gateway: RestGateway) -> None:
    """429 Limit Exceeded; GetUsage counts what passed, UpdateUsage grants more."""
    keyed = Keyed(gateway, plan={"quota": {"limit": 3, "period": "DAY"}})
    assert [keyed.ask() for _ in range(5)] == [(200, None)] * 3 + [USED_UP] * 2
    answer = keyed.api.ask(headers={"x-api-key": keyed.key["value"]})
    assert answer.headers["x-amzn-errortype"] == "LimitExceededException"
    assert keyed.used() == [[3, 0]]
    patch = [{"op": "replace", "path": "/remaining", "value": "2"}]
    found = keyed.client.update_usage(usagePlanId=keyed.plan_id, keyId=keyed.key["id"], patchOperations=patch)
    assert found["items"][keyed.key["id"]] == [[3, 2]]
    assert [keyed.ask() for _ in range(3)] == [(200, None)] * 2 + [USED_UP]
    assert keyed.used() == [[5, 0]]


def test_throttled_requests_use_no_quota(gateway: RestGateway) -> None:
    """The plan's throttle comes first: 429 Too Many Requests."""
    keyed = Keyed(
        gateway,
        plan={"quota": {"limit": 100, "period": "MONTH"}, "throttle": {"rateLimit": 0.01, "burstLimit": 2}},
    )
    assert [keyed.ask() for _ in range(4)] == [(200, None)] * 2 + [THROTTLED] * 2
    answer = keyed.api.ask(headers={"x-api-key": keyed.key["value"]})
    assert answer.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert keyed.used() == [[2, 98]]


def test_every_key_has_a_bucket_of_its_own(gateway: RestGateway) -> None:
    """One client cannot use up what another may do."""
    keyed = Keyed(gateway, plan={"throttle": {"rateLimit": 0.01, "burstLimit": 1}})
    other = keyed.client.create_api_key(name="other", enabled=True)
    keyed.client.create_usage_plan_key(usagePlanId=keyed.plan_id, keyId=other["id"], keyType="API_KEY")
    assert [keyed.ask(), keyed.ask()] == [(200, None), THROTTLED]
    assert keyed.ask(key=other["value"]) == (200, None)


def test_method_of_a_plan_may_have_a_throttle_of_its_own(gateway: RestGateway) -> None:
    """It stands in for the plan's."""
    keyed = Keyed(gateway, "/a", "/b", plan={"throttle": {"rateLimit": 0.01, "burstLimit": 1}})
    place = f"/apiStages/{keyed.api.id}:prod/throttle/~1a~1GET"
    keyed.patch_plan(
        {"op": "replace", "path": f"{place}/burstLimit", "value": "3"},
        {"op": "replace", "path": f"{place}/rateLimit", "value": "0.01"},
    )
    assert [keyed.ask("/a") for _ in range(4)] == [(200, None)] * 3 + [THROTTLED]
    assert [keyed.ask("/b") for _ in range(2)] == [(200, None), THROTTLED]


@pytest.mark.parametrize("place", ["ALL", "~1a__GET", "a__GET"])
def test_stage_throttles_its_methods(gateway: RestGateway, place: str) -> None:
    """All of them, or one by its path; the bucket fills again."""
    api = gateway.rest_api()
    api.mock("/a")
    api.mock("/b")
    api.deploy()
    api.set_stage(**{f"{place}__throttling__burstLimit": "2", f"{place}__throttling__rateLimit": "5"})
    statuses = [api.ask("/a").status for _ in range(12)]
    assert statuses[:2] == [200, 200] and 429 in statuses
    assert api.ask("/b").status == 200
    time.sleep(0.5)
    assert api.ask("/a").status == 200


def test_burst_of_0_closes_a_method(gateway: RestGateway) -> None:
    """As the console's advice to stop a method."""
    api = gateway.rest_api()
    api.mock("/")
    api.deploy()
    api.set_stage(ALL__throttling__burstLimit="0", ALL__throttling__rateLimit="0")
    assert message(api.ask()) == THROTTLED


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quota": {"limit": 1, "period": "YEAR"}}, "quota period"),
        ({"quota": {"limit": 0, "period": "DAY"}}, "quota limit"),
        ({"quota": {"limit": 1, "period": "DAY", "offset": 1}}, "offset must be zero in the DAY period"),
        ({"quota": {"limit": 1, "period": "WEEK", "offset": 7}}, "between zero and 6"),
        ({"apiStages": [{"apiId": "nothing", "stage": "x"}]}, "API Stage not found: nothing:x"),
        ({"throttle": {"rateLimit": -1.0, "burstLimit": 1}}, "must not be negative"),
    ],
)
def test_bad_plans_are_refused(gateway: RestGateway, settings: Any, words: str) -> None:
    """BadRequestException or NotFoundException."""
    with pytest.raises(ClientError, match=words):
        gateway.rest.create_usage_plan(name="bad", **settings)


def test_keys_have_values_of_20_to_128_characters(gateway: RestGateway) -> None:
    """Their own or a random one; no two alike; the value is shown on demand."""
    create = gateway.rest.create_api_key
    for value, words in (("short", "at least 20 characters"), ("a" * 129, "exceeds maximum size")):
        with pytest.raises(ClientError, match=words):
            create(name="bad", value=value)
    value = uuid.uuid4().hex
    made = create(name="mine", value=value, enabled=True)
    with pytest.raises(ClientError, match="API Key already exists"):
        create(name="again", value=value)
    assert "value" not in gateway.rest.get_api_key(apiKey=made["id"])
    assert gateway.rest.get_api_key(apiKey=made["id"], includeValue=True)["value"] == value
    gateway.rest.delete_api_key(apiKey=made["id"])
    with pytest.raises(ClientError, match="Invalid API Key identifier specified"):
        gateway.rest.get_api_key(apiKey=made["id"])


def test_key_can_be_in_one_plan_of_a_stage_only(gateway: RestGateway) -> None:
    """ConflictException."""
    keyed = Keyed(gateway)
    other = keyed.client.create_usage_plan(name="other", apiStages=[{"apiId": keyed.api.id, "stage": "prod"}])
    with pytest.raises(ClientError, match="API Key is already in another usage plan"):
        keyed.client.create_usage_plan_key(usagePlanId=other["id"], keyId=keyed.key["id"], keyType="API_KEY")


def test_keys_are_imported_from_csv(gateway: RestGateway) -> None:
    """With the plans that they shall be in."""
    keyed = Keyed(gateway)
    value = uuid.uuid4().hex
    text = f"Name,Key,Description,Enabled,UsageplanIds\nc,{value},d,true,{keyed.plan_id}\nbad,short,,true,\n"
    found = keyed.client.import_api_keys(body=text.encode(), format="csv")
    assert len(found["ids"]) == 1 and "at least 20 characters" in found["warnings"][0]
    assert keyed.ask(key=value) == (200, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ("BadRequestException", "Invalid API Stage specified")),
        ("prod", ("BadRequestException", "Invalid API Stage specified")),
        (
            "{api}:none",
            (
                "NotFoundException",
                "Invalid API Stage {{api: {api}, stage: none}} specified for usageplan {plan}",
            ),
        ),
        (
            "{api}x:prod",
            (
                "NotFoundException",
                "Invalid API Stage {{api: {api}x, stage: prod}} specified for usageplan {plan}",
            ),
        ),
    ],
)
def test_stage_that_is_not_in_a_plan_cannot_leave_it(
    gateway: RestGateway, value: str, expected: tuple[str, str]
) -> None:
    """AWS's words (recorded): for what is no stage, and for a stage that is not there."""
    keyed = Keyed(gateway)
    words = {"api": keyed.api.id, "plan": keyed.plan_id}
    with pytest.raises(ClientError) as refusal:
        keyed.patch_plan({"op": "remove", "path": "/apiStages", "value": value.format(**words)})
    error = refusal.value.response["Error"]
    assert (error["Code"], error["Message"]) == (expected[0], expected[1].format(**words))
