"""Who may call an HTTP API: JSON web tokens, functions that decide, signatures."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.gateway.http_api.gateway import Api, Backend, Gateway

UNAUTHORIZED, FORBIDDEN = {"message": "Unauthorized"}, {"message": "Forbidden"}
HEADER = ["$request.header.Authorization"]

COUNTING = """
import json, os
calls = 0
def handler(event, context):
    global calls
    calls += 1
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    word = headers.get("authorization", "")
    if word == "crash":
        raise ValueError("boom")
    if word == "unauthorized":
        raise Exception("Unauthorized")
    if word == "junk":
        return {"unexpected": True}
    arn = event.get("routeArn") or event.get("methodArn")
    seen = {"calls": calls, "arn": arn, "source": json.dumps(event.get("identitySource")), "type": event["type"]}
    if os.environ["SIMPLE"] == "yes":
        return {"isAuthorized": word == "allow", "context": {**seen, "list": [1]}}
    effect = "Allow" if word == "allow" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "me", "policyDocument": policy, "context": seen}
"""


# --- JSON web tokens ---


@pytest.fixture(scope="module")
def tokens(gateway: Gateway, backend: Backend) -> Api:
    """An API whose routes want a token: `/any`, `/scoped`, and `/query` in the query string."""
    api = gateway.api()
    settings = {"Issuer": backend.issuer.url, "Audience": ["aud-1", "aud-2"]}
    header = api.authorizer(AuthorizerType="JWT", IdentitySource=HEADER, JwtConfiguration=settings)
    query = api.authorizer(
        AuthorizerType="JWT", IdentitySource=["$request.querystring.token"], JwtConfiguration=settings
    )
    integration = api.lambda_integration(gateway.function())
    api.route("GET /any", integration, AuthorizationType="JWT", AuthorizerId=header)
    api.route(
        "GET /scoped",
        integration,
        AuthorizationType="JWT",
        AuthorizerId=header,
        AuthorizationScopes=["pets.read", "pets.write"],
    )
    api.route("GET /query", integration, AuthorizationType="JWT", AuthorizerId=query)
    api.stage()
    return api


def challenge(api: Api, token: str, path: str = "/any") -> tuple[int, Any, str]:
    """Status, body and WWW-Authenticate of a request with this token."""
    answer = api.ask(path, headers={"Authorization": f"Bearer {token}"})
    return answer.status, answer.json, answer.headers.get("www-authenticate", "")


@pytest.mark.parametrize("prefix", ["Bearer ", "bearer ", ""])
def test_right_token_passes_and_its_claims_arrive(tokens: Api, backend: Backend, prefix: str) -> None:
    """With or without the word; every claim is text."""
    token = backend.issuer.token(n=7, groups=["a", "b"], flag=True)
    answer = tokens.ask("/any", headers={"Authorization": f"{prefix}{token}"})
    assert answer.status == 200
    found = answer.json["requestContext"]["authorizer"]["jwt"]
    assert found["scopes"] is None
    assert (found["claims"]["sub"], found["claims"]["n"], found["claims"]["groups"]) == ("me", "7", "[a b]")
    assert found["claims"]["flag"] == "true"


def test_token_may_come_in_the_query(tokens: Api, backend: Backend) -> None:
    """Wherever the identity source says."""
    assert tokens.ask(f"/query?token={backend.issuer.token()}").status == 200
    assert tokens.ask("/query").status == 401


def test_without_a_token_it_is_unauthorized(tokens: Api) -> None:
    """401, and how to authenticate."""
    answer = tokens.ask("/any")
    assert (answer.status, answer.json, answer.headers["www-authenticate"]) == (401, UNAUTHORIZED, "Bearer")


@pytest.mark.parametrize(
    ("claims", "description"),
    [
        ({"exp": 1_000_000_000}, "the token has expired"),
        ({"exp": None}, "the token has expired"),
        ({"exp": "soon"}, "exp"),
        ({"aud": "other"}, "the token does not have a valid audience"),
        ({"aud": None}, "the token does not have a valid audience"),
        ({"aud": "other", "client_id": "aud-1"}, "the token does not have a valid audience"),
        ({"iss": "https://evil.example"}, "issuer does not match"),
        ({"iss": None}, "issuer does not match"),
        ({"nbf": 4_000_000_000}, "not yet valid"),
        ({"iat": 4_000_000_000}, "in the future"),
    ],
)
def test_wrong_claims_are_refused(
    tokens: Api, backend: Backend, claims: dict[str, Any], description: str
) -> None:
    """Expired, for others, of others, or of another time; the header says which."""
    status, body, header = challenge(tokens, backend.issuer.token(**claims))
    assert (status, body) == (401, UNAUTHORIZED)
    assert (
        header.startswith('Bearer scope="" error="invalid_token" error_description="')
        and description in header
    )


def test_client_id_counts_where_there_is_no_audience(tokens: Api, backend: Backend) -> None:
    """As access tokens of Cognito have it; and an audience may be a list."""
    assert challenge(tokens, backend.issuer.token(aud=None, client_id="aud-2"))[0] == 200
    assert challenge(tokens, backend.issuer.token(aud=["x", "aud-1"]))[0] == 200


def test_forged_tokens_are_refused(tokens: Api, backend: Backend) -> None:
    """Another key, an unknown key id, no signature, a shared secret, a changed body, garbage."""
    issuer = backend.issuer
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = issuer.token()
    head, body, signature = good.split(".")
    unsigned = jwt.encode(
        {"iss": issuer.url, "aud": "aud-1", "exp": time.time() + 60}, None, algorithm="none"
    )
    shared = jwt.encode(
        {"iss": issuer.url, "aud": "aud-1", "exp": int(time.time()) + 60},
        "k" * 32,
        algorithm="HS256",
        headers={"kid": "one"},
    )
    forged = [
        issuer.token(key=other),
        issuer.token(kid="unknown"),
        unsigned,
        shared,
        f"{head}.{issuer.token(sub='admin').split('.')[1]}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        "garbage",
        "a.b.c",
        "\u00e9",
        good + "x" * 3_000,
    ]
    for token in forged:
        status, answer, header = challenge(tokens, token.encode().decode("latin-1"))
        assert (status, answer) == (401, UNAUTHORIZED), token
        assert 'error="invalid_token"' in header


def test_scope_of_the_route_is_needed(tokens: Api, backend: Backend) -> None:
    """One of them is enough; without any it is 403."""
    status, body, header = challenge(tokens, backend.issuer.token(scope="other pets.write"), "/scoped")
    assert status == 200 and body["requestContext"]["authorizer"]["jwt"]["scopes"] == ["pets.write"]
    assert challenge(tokens, backend.issuer.token(scp=["pets.read"]), "/scoped")[0] == 200
    for claims in ({}, {"scope": "other"}, {"scope": "pets"}, {"scope": 7}):
        status, body, header = challenge(tokens, backend.issuer.token(**claims), "/scoped")
        assert (status, body) == (403, FORBIDDEN)
        assert header.startswith('Bearer scope="pets.read pets.write" error="insufficient_scope"')


def test_issuer_that_is_away_lets_nobody_in(gateway: Gateway, backend: Backend) -> None:
    """401, within the time that AWS gives an issuer."""
    api = gateway.api()
    settings = {"Issuer": "http://127.0.0.1:9/issuer", "Audience": ["aud-1"]}
    key = api.authorizer(AuthorizerType="JWT", IdentitySource=HEADER, JwtConfiguration=settings)
    api.route("GET /", api.lambda_integration(gateway.function()), AuthorizationType="JWT", AuthorizerId=key)
    api.stage()
    assert challenge(api, backend.issuer.token(iss="http://127.0.0.1:9/issuer"), "/")[:2] == (
        401,
        UNAUTHORIZED,
    )


@pytest.mark.parametrize("named", ["aws", "lab"])
def test_user_pool_of_the_lab_is_an_issuer(gateway: Gateway, named: str) -> None:
    """By the name that it has on AWS, or by its address here."""
    users = gateway.cloud.client("cognito-idp")
    pool = users.create_user_pool(PoolName="pool")["UserPool"]["Id"]
    client = users.create_user_pool_client(
        UserPoolId=pool, ClientName="c", ExplicitAuthFlows=["ADMIN_NO_SRP_AUTH"]
    )["UserPoolClient"]["ClientId"]
    users.admin_create_user(UserPoolId=pool, Username="ada")
    users.admin_set_user_password(UserPoolId=pool, Username="ada", Password="Abc12345!", Permanent=True)
    result = users.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_NO_SRP_AUTH",
        AuthParameters={"USERNAME": "ada", "PASSWORD": "Abc12345!"},
    )["AuthenticationResult"]
    base = gateway.cloud.endpoint_url if named == "lab" else "https://cognito-idp.us-east-1.amazonaws.com"
    api = gateway.api()
    key = api.authorizer(
        AuthorizerType="JWT",
        IdentitySource=HEADER,
        JwtConfiguration={"Issuer": f"{base}/{pool}", "Audience": [client]},
    )
    api.route("GET /", api.lambda_integration(gateway.function()), AuthorizationType="JWT", AuthorizerId=key)
    api.stage()
    for kind in ("IdToken", "AccessToken"):
        status, body, header = challenge(api, result[kind], "/")
        assert status == 200, header
        assert "ada" in body["requestContext"]["authorizer"]["jwt"]["claims"].values()
    other = users.create_user_pool(PoolName="other")["UserPool"]["Id"]
    gateway.apis.update_authorizer(
        ApiId=api.id, AuthorizerId=key, JwtConfiguration={"Issuer": f"{base}/{other}", "Audience": [client]}
    )
    assert challenge(api, result["IdToken"], "/")[0] == 401


# --- Functions ---


def guarded(gateway: Gateway, *, version: str, simple: bool = False, **settings: Any) -> Api:
    """An API with `/a` and `/b` behind a function; the event's format is 2.0."""
    function = gateway.function(COUNTING, Environment={"Variables": {"SIMPLE": "yes" if simple else "no"}})
    api = gateway.api()
    if version == "2.0":
        settings["EnableSimpleResponses"] = simple
    key = api.authorizer(
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations",
        AuthorizerPayloadFormatVersion=version,
        **{"IdentitySource": HEADER, **settings},
    )
    integration = api.lambda_integration(gateway.function())
    for path in ("/a", "/b"):
        api.route(f"GET {path}", integration, AuthorizationType="CUSTOM", AuthorizerId=key)
    api.stage()
    return api


def asked(api: Api, word: str, path: str = "/a") -> tuple[int, Any]:
    """Status and body of a request with this word as its Authorization."""
    answer = api.ask(path, headers={"Authorization": word})
    return answer.status, answer.json


def context_of(api: Api, path: str = "/a") -> dict[str, Any]:
    """What the authorizer said, as the function behind it sees it."""
    status, event = asked(api, "allow", path)
    assert status == 200, event
    found: dict[str, Any] = event["requestContext"]["authorizer"]["lambda"]
    return found


def test_simple_response_decides(gateway: Gateway) -> None:
    """isAuthorized, and a context of any JSON."""
    api = guarded(gateway, version="2.0", simple=True, AuthorizerResultTtlInSeconds=0)
    found = context_of(api)
    assert found["list"] == [1] and found["type"] == "REQUEST"
    assert found["arn"].endswith(f":{api.id}/$default/GET/a") and found["source"] == '["allow"]'
    assert asked(api, "deny") == (403, FORBIDDEN)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_policy_decides(gateway: Gateway, version: str) -> None:
    """An IAM policy, in both formats of the event."""
    api = guarded(gateway, version=version, AuthorizerResultTtlInSeconds=0)
    found = context_of(api)
    assert found["arn"].endswith("/GET/a")
    assert found["source"] == ('"allow"' if version == "1.0" else '["allow"]')
    assert asked(api, "deny") == (403, FORBIDDEN)


def test_format_1_event_has_principal_and_context(gateway: Gateway) -> None:
    """requestContext.authorizer is flat there."""
    api = guarded(gateway, version="2.0", AuthorizerResultTtlInSeconds=0)
    integration = api.lambda_integration(gateway.function(), version="1.0")
    for route in gateway.apis.get_routes(ApiId=api.id)["Items"]:
        gateway.apis.update_route(
            ApiId=api.id, RouteId=route["RouteId"], Target=f"integrations/{integration}"
        )
    status, event = asked(api, "allow")
    assert status == 200 and event["requestContext"]["authorizer"]["principalId"] == "me"


def test_without_its_identity_source_nobody_is_asked(gateway: Gateway) -> None:
    """401 without a call."""
    api = guarded(gateway, version="2.0", AuthorizerResultTtlInSeconds=0)
    answer = api.ask("/a")
    assert (answer.status, answer.json) == (401, UNAUTHORIZED)
    assert context_of(api)["calls"] == 1


def test_authorizer_that_fails_is_a_500(gateway: Gateway) -> None:
    """A crash, or an answer that is none; `Unauthorized` as its error is a 401."""
    api = guarded(gateway, version="2.0", AuthorizerResultTtlInSeconds=0)
    for word in ("crash", "junk"):
        assert asked(api, word) == (500, {"message": "Internal Server Error"})
    assert asked(api, "unauthorized") == (401, UNAUTHORIZED)
    assert "boom" in api.journal()[0]["detail"]["error"]


def test_result_is_kept_for_its_time(gateway: Gateway) -> None:
    """One call for many requests; for other values another; ResetAuthorizersCache asks anew."""
    api = guarded(gateway, version="2.0", simple=True, AuthorizerResultTtlInSeconds=300)
    assert [context_of(api)["calls"] for _ in range(3)] == [1, 1, 1]
    assert asked(api, "deny")[0] == 403
    gateway.apis.reset_authorizers_cache(ApiId=api.id, StageName="$default")
    assert context_of(api)["calls"] == 3


def test_kept_policy_counts_for_other_routes_too(gateway: Gateway) -> None:
    """A policy that names one route denies the next: what learners get stuck on; `$context.routeKey` mends it."""
    api = guarded(gateway, version="2.0", AuthorizerResultTtlInSeconds=300)
    assert asked(api, "allow", "/a")[0] == 200
    assert asked(api, "allow", "/b") == (403, FORBIDDEN)
    apart = guarded(
        gateway,
        version="2.0",
        AuthorizerResultTtlInSeconds=300,
        IdentitySource=[*HEADER, "$context.routeKey"],
    )
    assert [asked(apart, "allow", path)[0] for path in ("/a", "/b", "/a")] == [200, 200, 200]


def test_authorizer_needs_permission_too(gateway: Gateway) -> None:
    """Its function's policy is asked like any other."""
    api = guarded(gateway, version="2.0")
    authorizer = gateway.apis.get_authorizers(ApiId=api.id)["Items"][0]
    closed = gateway.function(COUNTING, allow=False, Environment={"Variables": {"SIMPLE": "no"}})
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{closed}/invocations"
    gateway.apis.update_authorizer(ApiId=api.id, AuthorizerId=authorizer["AuthorizerId"], AuthorizerUri=uri)
    assert asked(api, "allow")[0] == 500
    arn = f"arn:aws:execute-api:us-east-1:123456789012:{api.id}/authorizers/{authorizer['AuthorizerId']}"
    gateway.allow(closed, SourceArn=arn)
    assert asked(api, "allow")[0] == 200


# --- Signatures ---


@pytest.fixture(scope="module")
def signed(gateway: Gateway) -> Api:
    """An API whose routes want a signature."""
    api = gateway.api()
    api.route("ANY /x/{rest+}", api.lambda_integration(gateway.function()), AuthorizationType="AWS_IAM")
    api.stage()
    return api


def signature(
    api: Api,
    path: str,
    *,
    secret: str = "",
    service: str = "execute-api",
    body: bytes = b"",
    in_query: bool = False,
) -> tuple[str, dict[str, str]]:
    """Path and headers of a signed request."""
    cloud = api.gateway.cloud
    credentials = Credentials(cloud.access_key_id, secret or cloud.secret_access_key)
    request = AWSRequest("POST", f"{api.endpoint}{path}", {}, body)
    signer = SigV4QueryAuth if in_query else SigV4Auth
    signer(credentials, service, "us-east-1").add_auth(request)
    return str(request.url).removeprefix(api.endpoint), dict(request.headers.items())


@pytest.mark.parametrize("in_query", [False, True])
def test_signed_request_passes_and_names_its_caller(signed: Api, in_query: bool) -> None:
    """In headers or in the query string, with a body and an odd path."""
    body = b"" if in_query else b"hello"
    path, headers = signature(signed, "/x/a%20b?q=%2F&a=1", body=body, in_query=in_query)
    answer = signed.ask(path, "POST", headers, body)
    assert answer.status == 200, answer.body
    iam = answer.json["requestContext"]["authorizer"]["iam"]
    assert iam["accessKey"] == signed.gateway.cloud.access_key_id
    assert (iam["accountId"], iam["userArn"]) == ("123456789012", "arn:aws:iam::123456789012:user/learner")
    assert iam["callerId"] == iam["userId"] and iam["userId"].startswith("AIDA")
    assert iam["cognitoIdentity"] is None and iam["principalOrgId"] is None


def test_unsigned_and_wrongly_signed_requests_are_forbidden(signed: Api) -> None:
    """No signature, a wrong key, another service, another body."""
    assert (signed.ask("/x/a").status, signed.ask("/x/a").json) == (403, FORBIDDEN)
    for options in ({"secret": "wrong"}, {"service": "lambda"}):
        path, headers = signature(signed, "/x/a", **options)  # type: ignore[arg-type]
        assert signed.ask(path, "POST", headers).status == 403
    path, headers = signature(signed, "/x/a", body=b"one")
    assert signed.ask(path, "POST", headers, b"two").status == 403
    errors = [entry["detail"].get("error", "") for entry in signed.journal()]
    assert "doesn't match the format that API Gateway expects" in " ".join(errors)
