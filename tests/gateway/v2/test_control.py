"""The control plane of HTTP and WebSocket APIs: what is kept, refused, deployed."""

from typing import Any

import pytest

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.store import ApiStore
from labhelpers.model import Account

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/x"
LAMBDA = {"integrationType": "AWS_PROXY", "integrationUri": FUNCTION, "payloadFormatVersion": "2.0"}
HTTP = {"integrationType": "HTTP_PROXY", "integrationUri": "https://x", "integrationMethod": "ANY"}
JWT = {
    "name": "j",
    "authorizerType": "JWT",
    "identitySource": ["$request.header.Authorization"],
    "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]},
}
REQUEST = {
    "name": "r",
    "authorizerType": "REQUEST",
    "authorizerUri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
    "authorizerPayloadFormatVersion": "2.0",
    "identitySource": [],
}


@pytest.fixture
def control() -> ApiControl:
    """A control plane without APIs."""
    return ApiControl(
        ApiStore(Account()), lambda protocol, api_id: f"http://here/{api_id}", lambda: 1_700_000_000
    )


@pytest.fixture
def api(control: ApiControl) -> str:
    """The id of an HTTP API."""
    return str(control.create_api({"name": "x", "protocolType": "HTTP"})["apiId"])


def refused(code: str, text: str, status: int = 400) -> Any:
    """Expects AWS's refusal with this code, status and part of its message."""

    class Expected:
        def __enter__(self) -> None:
            self.raises = pytest.raises(AwsError)
            self.caught = self.raises.__enter__()

        def __exit__(self, *exc: Any) -> bool:
            done = bool(self.raises.__exit__(*exc))
            assert (self.caught.value.code, self.caught.value.status) == (code, status), self.caught.value
            assert text in self.caught.value.message
            return done

    return Expected()


def routed(control: ApiControl, api: str, key: str = "GET /x", **more: Any) -> dict[str, Any]:
    """A route with an integration of its own."""
    integration = control.create(api, "integrations", LAMBDA)
    return control.create(
        api, "routes", {"routeKey": key, "target": f"integrations/{integration['integrationId']}", **more}
    )


def live_routes(control: ApiControl, api: str, stage: str = "$default") -> list[str]:
    """The route keys that a stage serves."""
    live = control.store.live(api, stage)
    return [] if live is None else sorted(str(route["routeKey"]) for route in live.snapshot.routes.values())


# --- Making ---


def test_api_has_the_members_that_aws_answers(control: ApiControl) -> None:
    """Defaults, date, and an address that works here."""
    record = control.create_api({"name": "x", "protocolType": "HTTP", "tags": {"k": "v"}})
    assert record == {
        "apiEndpoint": f"http://here/{record['apiId']}",
        "apiId": record["apiId"],
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "createdDate": "2023-11-14T22:13:20Z",
        "disableExecuteApiEndpoint": False,
        "ipAddressType": "ipv4",
        "name": "x",
        "protocolType": "HTTP",
        "routeSelectionExpression": "$request.method $request.path",
        "tags": {"k": "v"},
    }


def test_quick_create_makes_integration_route_and_stage(control: ApiControl) -> None:
    """A function or an address as Target, and the API answers."""
    api = control.create_api({"name": "x", "protocolType": "HTTP", "target": FUNCTION, "routeKey": "GET /x"})[
        "apiId"
    ]
    (integration,) = control.all_of(api, "integrations")
    assert (integration["integrationType"], integration["payloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert live_routes(control, api) == ["GET /x"]
    other = control.create_api({"name": "y", "protocolType": "HTTP", "target": "https://x"})["apiId"]
    assert control.all_of(other, "integrations")[0]["integrationType"] == "HTTP_PROXY"
    assert live_routes(control, other) == ["$default"]


def test_quick_create_that_fails_leaves_nothing(control: ApiControl) -> None:
    """No half an API."""
    with refused("BadRequestException", "Invalid"):
        control.create_api({"name": "x", "protocolType": "HTTP", "target": "arn:aws:sqs:::q"})
    assert not control.store.apis


def test_what_quick_create_made_can_be_changed(control: ApiControl) -> None:
    """UpdateApi with Target and RouteKey; other APIs have nothing to change."""
    api = control.create_api({"name": "x", "protocolType": "HTTP", "target": FUNCTION})["apiId"]
    control.update_api(api, {"target": f"{FUNCTION}2", "routeKey": "GET /y", "name": "z"})
    assert live_routes(control, api) == ["GET /y"] and control.store.get(api).record["name"] == "z"
    assert control.all_of(api, "integrations")[0]["integrationUri"] == f"{FUNCTION}2"
    plain = control.create_api({"name": "x", "protocolType": "HTTP"})["apiId"]
    with refused("BadRequestException", "quick create"):
        control.update_api(plain, {"target": FUNCTION})


def test_parts_have_the_defaults_that_aws_answers(control: ApiControl, api: str) -> None:
    """Integration, route and stage."""
    integration = control.create(api, "integrations", LAMBDA)
    assert integration == {
        "connectionType": "INTERNET",
        "integrationMethod": "POST",
        "timeoutInMillis": 30_000,
        "integrationId": integration["integrationId"],
        **LAMBDA,
    }
    route = control.create(api, "routes", {"routeKey": "GET /x"})
    assert route == {
        "apiKeyRequired": False,
        "authorizationType": "NONE",
        "routeId": route["routeId"],
        "routeKey": "GET /x",
    }
    stage = control.create(api, "stages", {"stageName": "dev"})
    assert stage["defaultRouteSettings"] == {"detailedMetricsEnabled": False}
    assert (stage["routeSettings"], stage["stageVariables"]) == ({}, {}) and "deploymentId" not in stage


def test_unknown_ids_are_not_found(control: ApiControl, api: str) -> None:
    """AWS names the kind and the id."""
    with refused("NotFoundException", "Invalid API identifier specified 123456789012:none", 404):
        control.store.get("none")
    with refused("NotFoundException", "Invalid Route identifier specified none", 404):
        control.get(api, "routes", "none")
    with refused("NotFoundException", "Invalid stage identifier specified", 404):
        control.get(api, "stages", "none")


def test_names_and_route_keys_are_unique(control: ApiControl, api: str) -> None:
    """A second one is a conflict; a change to oneself is none."""
    route = control.create(api, "routes", {"routeKey": "GET /x"})
    with refused("ConflictException", "already exists", 409):
        control.create(api, "routes", {"routeKey": "GET /x"})
    control.update(api, "routes", route["routeId"], {"routeKey": "GET /x", "operationName": "o"})
    control.create(api, "stages", {"stageName": "dev"})
    with refused("ConflictException", "Stage already exists", 409):
        control.create(api, "stages", {"stageName": "dev"})


# --- Refusals ---


@pytest.mark.parametrize(
    "key",
    [
        "/x",
        "GET",
        "GET x",
        "FETCH /x",
        "get /x",
        "GET /a/{b",
        "GET /a{b}c",
        "GET /{a+}/b",
        "GET /{a}/{a}",
        "",
        "GET /a b",
    ],
)
def test_malformed_route_keys_are_refused(control: ApiControl, api: str, key: str) -> None:
    """The key's form, its variables, and where a greedy one may stand."""
    with refused("BadRequestException", ""):
        control.create(api, "routes", {"routeKey": key})


@pytest.mark.parametrize("key", ["$default", "ANY /", "GET /a/{b}/{c+}", "DELETE /a.b/-_~", "PATCH /{a.b}"])
def test_well_formed_route_keys_are_taken(control: ApiControl, api: str, key: str) -> None:
    """Every form of the developer guide."""
    assert control.create(api, "routes", {"routeKey": key})["routeKey"] == key


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"integrationType": "MOCK"}, "not supported for protocolType HTTP"),
        ({"integrationType": "AWS"}, "not supported for protocolType HTTP"),
        ({"integrationType": "NEW"}, "Must be one of"),
        ({}, "IntegrationType is a required parameter"),
        ({**LAMBDA, "payloadFormatVersion": None}, "PayloadFormatVersion is a required parameter"),
        ({**LAMBDA, "payloadFormatVersion": "3.0"}, "1.0 or 2.0"),
        ({**LAMBDA, "integrationUri": "https://x"}, "Invalid function ARN"),
        ({**LAMBDA, "timeoutInMillis": 49}, "between 50 ms and 30000 ms"),
        ({**LAMBDA, "timeoutInMillis": 30_001}, "between 50 ms and 30000 ms"),
        ({**LAMBDA, "timeoutInMillis": "1000"}, "Invalid value"),
        ({**HTTP, "integrationMethod": None}, "IntegrationMethod"),
        ({**HTTP, "integrationUri": "ftp://x"}, "Invalid HTTP endpoint"),
        ({**HTTP, "payloadFormatVersion": "2.0"}, "must be 1.0"),
        ({**HTTP, "requestParameters": {"append:body.x": "1"}}, "Invalid mapping expression"),
        (
            {**HTTP, "requestParameters": {"append:header.Authorization": "1"}},
            "Operations on header authorization",
        ),
        ({**HTTP, "requestParameters": {"overwrite:header.x-amz-date": "1"}}, "are restricted"),
        (
            {**HTTP, "responseParameters": {"200": {"overwrite:header.access-control-allow-origin": "*"}}},
            "restricted",
        ),
        ({**HTTP, "responseParameters": {"two": {"remove:header.x": ""}}}, "Invalid status code"),
        ({**HTTP, "requestParameters": {"remove:header.x": "y"}}, "takes no value"),
    ],
)
def test_wrong_integrations_are_refused(
    control: ApiControl, api: str, settings: dict[str, Any], text: str
) -> None:
    """With a reason."""
    with refused("BadRequestException", text):
        control.create(api, "integrations", settings)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({**HTTP, "connectionType": "VPC_LINK", "connectionId": "v"}, "VPC_LINK"),
        ({"integrationType": "AWS_PROXY", "integrationSubtype": "SQS-SendMessage"}, "SQS-SendMessage"),
        ({**HTTP, "tlsConfig": {"serverNameToVerify": "x"}}, "TlsConfig"),
    ],
)
def test_what_is_not_emulated_is_refused_by_name(
    control: ApiControl, api: str, settings: dict[str, Any], what: str
) -> None:
    """Never a setting that then does nothing."""
    with pytest.raises(NotEmulated, match=what):
        control.create(api, "integrations", settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({**JWT, "jwtConfiguration": {}}, "JwtConfiguration"),
        ({**JWT, "jwtConfiguration": {"issuer": "x", "audience": ["a"]}}, "Invalid issuer"),
        ({**JWT, "identitySource": []}, "exactly one identity source"),
        ({**JWT, "identitySource": ["Authorization"]}, "Invalid identity source"),
        (
            {**REQUEST, "authorizerPayloadFormatVersion": None},
            "AuthorizerPayloadFormatVersion is a required parameter",
        ),
        (
            {**REQUEST, "authorizerPayloadFormatVersion": "1.0", "enableSimpleResponses": True},
            "EnableSimpleResponses",
        ),
        ({**REQUEST, "authorizerUri": "https://x"}, "Invalid Authorizer URI"),
        ({**REQUEST, "authorizerResultTtlInSeconds": 3601}, "between 0 and 3600"),
        ({**REQUEST, "authorizerType": "TOKEN"}, "Must be one of"),
    ],
)
def test_wrong_authorizers_are_refused(
    control: ApiControl, api: str, settings: dict[str, Any], text: str
) -> None:
    """With a reason."""
    with refused("BadRequestException", text):
        control.create(api, "authorizers", settings)


def test_route_needs_the_authorizer_that_it_names(control: ApiControl, api: str) -> None:
    """It is there, and of the right kind; scopes are for tokens."""
    jwt = control.create(api, "authorizers", JWT)["authorizerId"]
    with refused("BadRequestException", "AuthorizerId is required"):
        control.create(api, "routes", {"routeKey": "GET /a", "authorizationType": "JWT"})
    with refused("NotFoundException", "Authorizer", 404):
        control.create(
            api, "routes", {"routeKey": "GET /a", "authorizationType": "JWT", "authorizerId": "none"}
        )
    with refused("BadRequestException", "not of the AuthorizationType"):
        control.create(
            api, "routes", {"routeKey": "GET /a", "authorizationType": "CUSTOM", "authorizerId": jwt}
        )
    with refused("BadRequestException", "AuthorizationScopes"):
        control.create(api, "routes", {"routeKey": "GET /a", "authorizationScopes": ["s"]})
    with refused("BadRequestException", "ApiKeyRequired"):
        control.create(api, "routes", {"routeKey": "GET /a", "apiKeyRequired": True})
    with refused("NotFoundException", "Integration", 404):
        control.create(api, "routes", {"routeKey": "GET /a", "target": "integrations/none"})


def test_what_a_route_uses_stays(control: ApiControl, api: str) -> None:
    """Neither its integration nor its authorizer can be deleted under it."""
    jwt = control.create(api, "authorizers", JWT)["authorizerId"]
    route = routed(control, api, authorizationType="JWT", authorizerId=jwt)
    integration = route["target"].partition("/")[2]
    for family, key in (("integrations", integration), ("authorizers", jwt)):
        with refused("ConflictException", "Cannot delete", 409):
            control.delete(api, family, key)
    control.delete(api, "routes", route["routeId"])
    control.delete(api, "integrations", integration)
    control.delete(api, "authorizers", jwt)


@pytest.mark.parametrize(
    ("settings", "code", "text"),
    [
        ({"stageName": "a b"}, "BadRequestException", "Stage name"),
        ({"stageName": "s", "stageVariables": {"a-b": "1"}}, "BadRequestException", "Stage variable name"),
        ({"stageName": "s", "stageVariables": {"a": "<"}}, "BadRequestException", "Stage variable value"),
        (
            {"stageName": "s", "routeSettings": {"GET /none": {}}},
            "NotFoundException",
            "Unable to find Route by key",
        ),
        ({"stageName": "s", "deploymentId": "none"}, "NotFoundException", "Deployment"),
        (
            {"stageName": "s", "defaultRouteSettings": {"loggingLevel": "INFO"}},
            "BadRequestException",
            "Execution logs",
        ),
        (
            {"stageName": "s", "defaultRouteSettings": {"throttlingRateLimit": -1}},
            "BadRequestException",
            "negative",
        ),
        (
            {"stageName": "s", "accessLogSettings": {"destinationArn": "x", "format": "$context.requestId"}},
            "BadRequestException",
            "Invalid ARN",
        ),
        (
            {"stageName": "s", "accessLogSettings": {"destinationArn": LOG_GROUP, "format": "x"}},
            "BadRequestException",
            "AccessLogFormat",
        ),
    ],
)
def test_wrong_stages_are_refused(
    control: ApiControl, api: str, settings: dict[str, Any], code: str, text: str
) -> None:
    """With a reason."""
    with refused(code, text, 404 if code == "NotFoundException" else 400):
        control.create(api, "stages", settings)


@pytest.mark.parametrize(
    "cors",
    [
        {"allowOrigins": ["*"], "allowCredentials": True},
        {"allowOrigins": ["example.com"]},
        {"allowMethods": ["FETCH"]},
        {"maxAge": 86_401},
        {"maxAge": "60"},
    ],
)
def test_wrong_cors_is_refused(control: ApiControl, cors: dict[str, Any]) -> None:
    """Before it is kept."""
    with refused("BadRequestException", ""):
        control.create_api({"name": "x", "protocolType": "HTTP", "corsConfiguration": cors})
    assert not control.store.apis


# --- Deployments ---


def test_stage_without_auto_deploy_changes_only_with_a_deployment(control: ApiControl, api: str) -> None:
    """Nothing before the first, nothing between, and an old one can be put back."""
    routed(control, api, "GET /a")
    control.create(api, "stages", {"stageName": "dev"})
    assert live_routes(control, api, "dev") == []
    first = control.create_deployment(api, {"stageName": "dev", "description": "one"})
    routed(control, api, "GET /b")
    assert live_routes(control, api, "dev") == ["GET /a"]
    second = control.create_deployment(api, {"stageName": "dev"})
    assert live_routes(control, api, "dev") == ["GET /a", "GET /b"]
    control.update(api, "stages", "dev", {"deploymentId": first["deploymentId"]})
    assert live_routes(control, api, "dev") == ["GET /a"]
    assert first["deploymentStatus"] == "DEPLOYED" and first["autoDeployed"] is False
    with refused("BadRequestException", "Active stages"):
        control.delete_deployment(api, first["deploymentId"])
    control.delete_deployment(api, second["deploymentId"])


def test_stage_with_auto_deploy_follows_every_change(control: ApiControl, api: str) -> None:
    """Routes, integrations, CORS: all that a deployment covers."""
    control.create(api, "stages", {"stageName": "$default", "autoDeploy": True})
    route = routed(control, api, "GET /a")
    assert live_routes(control, api) == ["GET /a"]
    control.update(api, "routes", route["routeId"], {"routeKey": "GET /b"})
    assert live_routes(control, api) == ["GET /b"]
    control.update_api(api, {"corsConfiguration": {"allowOrigins": ["*"]}})
    live = control.store.live(api, "$default")
    assert live is not None and live.snapshot.cors == {"allowOrigins": ["*"]}
    control.delete_cors(api)
    control.delete(api, "routes", route["routeId"])
    live = control.store.live(api, "$default")
    assert live is not None and live.snapshot.cors is None and not live.snapshot.routes
    assert control.store.get(api).deployments
    with refused("BadRequestException", "auto-deploy"):
        control.update(api, "stages", "$default", {"deploymentId": live.stage["deploymentId"]})


def test_deployment_is_not_changed_by_what_comes_after(control: ApiControl, api: str) -> None:
    """Its records are those of its moment."""
    route = routed(control, api, "GET /a")
    deployment = control.create_deployment(api, {})
    control.update(api, "integrations", route["target"].partition("/")[2], {"timeoutInMillis": 1000})
    (kept,) = control.deployment(api, deployment["deploymentId"]).snapshot.integrations.values()
    assert kept["timeoutInMillis"] == 30_000


def test_deployment_needs_routes(control: ApiControl, api: str) -> None:
    """AWS deploys no empty API."""
    with refused("BadRequestException", "Unable to deploy API because no routes exist in this API"):
        control.create_deployment(api, {})


def test_automatic_deployments_do_not_pile_up(control: ApiControl, api: str) -> None:
    """The newest stay, and those that another stage serves."""
    control.create(api, "stages", {"stageName": "$default", "autoDeploy": True})
    for number in range(40):
        control.create(api, "routes", {"routeKey": f"GET /{number}"})
    assert len(control.store.get(api).deployments) < 25


def test_stage_settings_take_effect_without_a_deployment(control: ApiControl, api: str) -> None:
    """Variables and limits are the stage's; an empty value removes a variable."""
    routed(control, api, "GET /a")
    control.create(api, "stages", {"stageName": "dev", "stageVariables": {"a": "1", "b": "2"}})
    control.create_deployment(api, {"stageName": "dev"})
    control.update(
        api,
        "stages",
        "dev",
        {"stageVariables": {"a": "", "c": "3"}, "routeSettings": {"GET /a": {"throttlingRateLimit": 1}}},
    )
    live = control.store.live(api, "dev")
    assert live is not None and live.stage["stageVariables"] == {"b": "2", "c": "3"}
    control.delete_route_settings(api, "dev", "GET /a")
    assert control.get(api, "stages", "dev")["routeSettings"] == {}


def test_mapping_is_changed_key_by_key(control: ApiControl, api: str) -> None:
    """An empty value removes one; the others stay."""
    made = control.create(
        api, "integrations", {**HTTP, "requestParameters": {"append:header.a": "1", "append:header.b": "2"}}
    )
    changed = control.update(
        api, "integrations", made["integrationId"], {"requestParameters": {"append:header.a": ""}}
    )
    assert changed["requestParameters"] == {"append:header.b": "2"}


def test_listeners_hear_of_every_change(control: ApiControl, api: str) -> None:
    """Also of the end."""
    heard: list[str] = []
    control.store.on_change.append(heard.append)
    routed(control, api)
    control.delete_api(api)
    assert len(heard) >= 3 and set(heard) == {api}
