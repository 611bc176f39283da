"""Authorizers of REST APIs, end to end: functions, Cognito user pools, IAM, and resource policies."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest

from tests.conftest import Cloud, wait_for
from tests.gateway.http_api.gateway import ECHO
from tests.gateway.rest.gateway import RestApi, RestGateway, message

AUTHORIZER = """
import json, uuid
def handler(event, context):
    word = event.get("authorizationToken") or (event.get("headers") or {}).get("X-Word", "")
    if word == "unauthorized":
        raise Exception("Unauthorized")
    if word == "broken":
        raise Exception("something else")
    if word == "nonsense":
        return {"policyDocument": "x"}
    api = event["methodArn"].split("/")[0]
    one = {"Action": "execute-api:Invoke", "Effect": "Deny" if word == "deny" else "Allow"}
    one["Resource"] = api + "/*/GET/only" if word == "only" else event["methodArn"] if word == "this" else api + "/*"
    statements = [] if word == "nothing" else [one]
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": statements},
        "context": {"call": str(uuid.uuid4()), "number": 1, "flag": True, "event": json.dumps(event)},
    }
"""


def protected(gateway: RestGateway, kind: str = "TOKEN", **settings: Any) -> RestApi:
    """An API whose paths `/a`, `/b` and `/only` answer with the event, behind an authorizer; deployed."""
    api = gateway.rest_api()
    its_id = api.authorizer(kind, gateway.function(AUTHORIZER), **settings)
    arn = gateway.function(ECHO)
    for path in ("/a", "/b", "/only"):
        api.proxy(path, arn, method_settings={"authorizationType": "CUSTOM", "authorizerId": its_id})
    api.deploy()
    return api


def test_token_authorizer_lets_pass_and_says_who_it_is(gateway: RestGateway) -> None:
    """The function gets token and method ARN; its context reaches the integration as texts."""
    api = protected(gateway)
    answer = api.ask("/a?x=1", headers={"Authorization": "let me"})
    assert answer.status == 200, answer.body
    found = answer.json["requestContext"]["authorizer"]
    assert (found["principalId"], found["number"], found["flag"]) == ("me", "1", "true")
    assert isinstance(found["integrationLatency"], int)
    assert json.loads(found["event"]) == {
        "type": "TOKEN",
        "methodArn": f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/prod/GET/a",
        "authorizationToken": "let me",
    }


def test_lifetime_is_told_only_if_it_was_given(gateway: RestGateway) -> None:
    """AWS keeps results for 300 s by default, and does not say so."""
    api, arn = gateway.rest_api(), gateway.function(AUTHORIZER)
    told = [
        api.client.get_authorizer(restApiId=api.id, authorizerId=api.authorizer("TOKEN", arn, **settings))
        for settings in ({}, {"authorizerResultTtlInSeconds": 5})
    ]
    assert [each.get("authorizerResultTtlInSeconds") for each in told] == [None, 5]


@pytest.mark.parametrize(
    ("word", "status", "text"),
    [
        ("unauthorized", 401, "Unauthorized"),
        ("deny", 403, "User is not authorized to access this resource with an explicit deny"),
        ("nothing", 403, "User is not authorized to access this resource"),
        ("broken", 500, None),
        ("nonsense", 500, None),
    ],
)
def test_refusals(gateway: RestGateway, word: str, status: int, text: str | None) -> None:
    """AWS's bodies; what is wrong with the authorizer the client does not learn."""
    api = protected(gateway)
    answer = api.ask("/a", headers={"Authorization": word})
    assert message(answer) == (status, text)
    expected = {401: "Unauthorized", 403: "AccessDenied", 500: "AuthorizerConfiguration"}[status]
    assert answer.headers["x-amzn-errortype"] == f"{expected}Exception"


def test_token_must_be_there_and_fit_the_validation_expression(gateway: RestGateway) -> None:
    """401 without asking the function."""
    api = protected(gateway, identityValidationExpression="^x-[a-z]+$")
    assert message(api.ask("/a")) == (401, "Unauthorized")
    assert message(api.ask("/a", headers={"Authorization": "x-1"})) == (401, "Unauthorized")
    assert api.ask("/a", headers={"Authorization": "x-good"}).status == 200


def calls(api: RestApi, *paths: str, word: str = "let me") -> list[str]:
    """Which call of the authorizer let each request pass."""
    answers = [api.ask(path, headers={"Authorization": word}) for path in paths]
    return [
        answer.json["requestContext"]["authorizer"]["call"] if answer.status == 200 else str(answer.status)
        for answer in answers
    ]


def test_result_is_cached_for_all_methods(gateway: RestGateway) -> None:
    """By the token; the kept policy is evaluated for each method anew."""
    api = protected(gateway)
    one, two = calls(api, "/a", "/b")
    assert one == two
    assert calls(api, "/a", word="other") != [one]
    assert calls(api, "/only", "/a", word="only")[1] == "403"
    assert calls(api, "/a", "/b", word="this")[1] == "403"


def test_cache_can_be_flushed_and_ends(gateway: RestGateway) -> None:
    """After the authorizer's TTL on the lab's clock, and by FlushStageAuthorizersCache."""
    api = protected(gateway, authorizerResultTtlInSeconds=1)
    kept = calls(api, "/a")[0]
    api.client.flush_stage_authorizers_cache(restApiId=api.id, stageName="prod")
    flushed = calls(api, "/a")[0]
    assert flushed != kept
    wait_for(lambda: calls(api, "/a")[0] != flushed, "the end of the cached result")


def test_ttl_of_0_asks_every_time(gateway: RestGateway) -> None:
    """Nothing is kept."""
    api = protected(gateway, authorizerResultTtlInSeconds=0)
    one, two = calls(api, "/a", "/a")
    assert one != two


def test_request_authorizer_gets_the_request(gateway: RestGateway) -> None:
    """All identity sources must be there, and together they are the cache's key."""
    sources = "method.request.header.X-Word, method.request.querystring.q"
    api = protected(gateway, "REQUEST", identitySource=sources)
    assert message(api.ask("/a?q=1")) == (401, "Unauthorized")
    assert message(api.ask("/a", headers={"X-Word": "w"})) == (401, "Unauthorized")
    found = [
        api.ask(f"/a?q={q}", headers={"X-Word": "w"}).json["requestContext"]["authorizer"] for q in "112"
    ]
    assert found[0]["call"] == found[1]["call"] != found[2]["call"]
    event = json.loads(found[0]["event"])
    assert (event["type"], event["path"], event["queryStringParameters"]) == ("REQUEST", "/a", {"q": "1"})
    assert "body" not in event


def test_authorizer_that_may_not_be_called_is_500(gateway: RestGateway) -> None:
    """Its function's resource policy lacks the API."""
    api = gateway.rest_api()
    its_id = api.authorizer("TOKEN", gateway.function(AUTHORIZER, allow=False))
    api.mock("/", method_settings={"authorizationType": "CUSTOM", "authorizerId": its_id})
    api.deploy()
    assert message(api.ask("/", headers={"Authorization": "x"})) == (500, None)


def test_authorizer_can_be_tested(gateway: RestGateway) -> None:
    """TestInvokeAuthorizer, without a deployment."""
    api = gateway.rest_api()
    its_id = api.authorizer("TOKEN", gateway.function(AUTHORIZER))
    found = api.client.test_invoke_authorizer(
        restApiId=api.id, authorizerId=its_id, headers={"Authorization": "x"}
    )
    assert (found["clientStatus"], found["principalId"]) == (0, "me")
    assert json.loads(found["policy"])["Statement"][0]["Effect"] == "Allow"
    refused = api.client.test_invoke_authorizer(
        restApiId=api.id, authorizerId=its_id, headers={"Authorization": "unauthorized"}
    )
    assert refused["clientStatus"] == 401


# --- Cognito ---


class Pool:
    """A user pool with a user, who is signed in."""

    def __init__(self, cloud: Cloud) -> None:
        client, name = cloud.client("cognito-idp"), uuid.uuid4().hex
        pool = client.create_user_pool(PoolName=name)["UserPool"]
        self.arn: str = pool["Arn"]
        app = client.create_user_pool_client(
            UserPoolId=pool["Id"], ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]
        client.admin_create_user(
            UserPoolId=pool["Id"],
            Username="ada",
            UserAttributes=[{"Name": "email", "Value": "ada@example.org"}],
        )
        client.admin_set_user_password(
            UserPoolId=pool["Id"], Username="ada", Password="Pass-word1", Permanent=True
        )
        found = client.initiate_auth(
            ClientId=app,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ada", "PASSWORD": "Pass-word1"},
        )["AuthenticationResult"]
        self.identity_token: str = found["IdToken"]
        self.access_token: str = found["AccessToken"]


@pytest.fixture(scope="module")
def pool(cloud: Cloud) -> Pool:
    """A user pool for the tests of this module."""
    return Pool(cloud)


def test_cognito_token_lets_pass(gateway: RestGateway, pool: Pool) -> None:
    """An identity token; its claims reach the integration. Tokens of other pools, and what is none, do not."""
    api = gateway.rest_api()
    its_id = api.authorizer(
        "COGNITO_USER_POOLS", providerARNs=[pool.arn], identitySource="method.request.header.Authorization"
    )
    settings = {"authorizationType": "COGNITO_USER_POOLS", "authorizerId": its_id}
    api.proxy("/", gateway.function(ECHO), method_settings=settings)
    api.mock("/scoped", method_settings={**settings, "authorizationScopes": ["pets/read"]})
    api.deploy()
    for token in (pool.identity_token, f"Bearer {pool.identity_token}"):
        answer = api.ask("/", headers={"Authorization": token})
        assert answer.status == 200, answer.body
        claims = answer.json["requestContext"]["authorizer"]["claims"]
        assert (claims["cognito:username"], claims["token_use"]) == ("ada", "id")
    other = Pool(gateway.cloud)
    head, payload, signature = pool.identity_token.split(".")
    for bad in (
        "",
        "x",
        "a.b.c",
        other.identity_token,
        pool.access_token,
        f"{head}.{payload}.{signature[:-4]}AAAA",
    ):
        assert message(api.ask("/", headers={"Authorization": bad} if bad else {})) == (
            401,
            "Unauthorized",
        ), bad
    assert message(api.ask("/scoped", headers={"Authorization": pool.identity_token})) == (
        401,
        "Unauthorized",
    )


# --- IAM ---


def test_iam_wants_a_signature(gateway: RestGateway) -> None:
    """The caller's identity is in the event; wrong signatures have AWS's words."""
    api = gateway.rest_api()
    api.proxy("/", gateway.function(ECHO), method_settings={"authorizationType": "AWS_IAM"})
    api.deploy()
    assert message(api.ask("/")) == (403, "Missing Authentication Token")
    answer = api.ask("/", headers=api.signed("/"))
    assert answer.status == 200, answer.body
    identity = answer.json["requestContext"]["identity"]
    assert identity["accountId"] == "123456789012" and identity["userArn"].startswith(
        "arn:aws:iam::123456789012:"
    )
    assert identity["accessKey"] == gateway.cloud.access_key_id
    wrong = api.signed("/other")
    found = api.ask("/", headers=wrong)
    assert found.status == 403 and found.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert "signature we calculated does not match" in str(message(found)[1])


# --- Resource policies ---


def policy(*statements: dict[str, Any]) -> str:
    """A resource policy."""
    full = [{"Principal": "*", "Action": "execute-api:Invoke", **each} for each in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": full})


def test_resource_policy_decides_who_may_call(gateway: RestGateway) -> None:
    """By address and path; an explicit deny wins. It is part of the deployment."""
    everything = {"Effect": "Allow", "Resource": "execute-api:/*"}
    denied = {"Effect": "Deny", "Resource": "execute-api:/*/GET/denied"}
    elsewhere = {
        "Effect": "Deny",
        "Resource": "execute-api:/*/GET/elsewhere",
        "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}},
    }
    api = gateway.rest_api(policy=policy(everything, denied, elsewhere))
    for path in ("/free", "/denied", "/elsewhere"):
        api.mock(path)
    api.deploy()
    assert api.ask("/free").status == 200
    words = (
        "User: anonymous is not authorized to perform: execute-api:Invoke on resource: "
        f"arn:aws:execute-api:us-east-1:********9012:{api.id}/prod/GET/denied with an explicit deny"
    )
    assert message(api.ask("/denied")) == (403, words)
    assert api.ask("/elsewhere").status == 403
    api.client.update_rest_api(
        restApiId=api.id, patchOperations=[{"op": "replace", "path": "/policy", "value": ""}]
    )
    assert api.ask("/denied").status == 403
    api.deploy()
    assert api.ask("/denied").status == 200


def test_resource_policy_of_an_account_needs_a_signature(gateway: RestGateway) -> None:
    """Its principals are known by their signature only."""
    allow = {"Principal": {"AWS": "123456789012"}, "Effect": "Allow", "Resource": "execute-api:/*"}
    api = gateway.rest_api(policy=policy(allow))
    api.mock("/", method_settings={"authorizationType": "AWS_IAM"})
    api.deploy()
    assert api.ask("/", headers=api.signed("/")).status == 200


def test_many_callers_at_once_are_judged_each_by_their_own(gateway: RestGateway) -> None:
    """No result goes to another token."""
    api = protected(gateway)
    began = time.monotonic()
    words = ["let me", "deny", "only", "this"] * 3
    statuses = [api.ask("/a", headers={"Authorization": word}).status for word in words]
    assert statuses == [200, 403, 403, 200] * 3
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("effect", "word", "status"),
    [
        ("Allow", "let me", 200),
        ("Allow", "nothing", 200),
        ("Allow", "deny", 403),
        ("Deny", "let me", 403),
        (None, "let me", 200),
        (None, "nothing", 403),
    ],
)
def test_resource_policy_and_authorizer_decide_together(
    gateway: RestGateway, effect: str | None, word: str, status: int
) -> None:
    """AWS's table A: one that denies wins, else one that allows."""
    statement = {"Effect": effect or "Allow", "Resource": f"execute-api:/*/GET/{'a' if effect else 'other'}"}
    api = gateway.rest_api(policy=policy(statement))
    its_id = api.authorizer("TOKEN", gateway.function(AUTHORIZER))
    api.mock("/a", method_settings={"authorizationType": "CUSTOM", "authorizerId": its_id})
    api.deploy()
    assert api.ask("/a", headers={"Authorization": word}).status == status
