"""What is checked of the settings of WebSocket APIs, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.store import ApiStore
from labhelpers.model import Account

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
INVOKE = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
REQUEST = {"name": "a", "authorizerType": "REQUEST", "authorizerUri": INVOKE}
HTTP = {"integrationType": "HTTP", "integrationUri": "https://x", "integrationMethod": "POST"}


@pytest.fixture
def control() -> ApiControl:
    """A control plane without APIs."""
    return ApiControl(ApiStore(Account()), lambda protocol, api_id: f"ws://here/{api_id}")


@pytest.fixture
def api(control: ApiControl) -> str:
    """The id of a WebSocket API."""
    made = control.create_api({"name": "x", "protocolType": "WEBSOCKET"})
    return str(made["apiId"])


def message_of(call: Any, *arguments: Any) -> str:
    """Why AWS would refuse a call."""
    with pytest.raises(AwsError) as caught:
        call(*arguments)
    assert not isinstance(caught.value, NotEmulated), caught.value
    return caught.value.message


def test_api_is_made_with_awss_defaults(control: ApiControl, api: str) -> None:
    """Selection by `action`, keys by header."""
    record = control.store.get(api).record
    assert record["routeSelectionExpression"] == "$request.body.action"
    assert record["apiKeySelectionExpression"] == "$request.header.x-api-key"


@pytest.mark.parametrize(
    "settings",
    [
        {"corsConfiguration": {"allowOrigins": ["*"]}},
        {"routeSelectionExpression": "$request.method $request.path"},
        {"apiKeySelectionExpression": "$request.header.other"},
    ],
)
def test_settings_of_other_apis_are_refused(control: ApiControl, settings: dict[str, Any]) -> None:
    """CORS, HTTP's selection expression, any other place of a key."""
    assert message_of(control.create_api, {"name": "x", "protocolType": "WEBSOCKET", **settings})


@pytest.mark.parametrize(
    "expression", ["$request.body.a.b", "\\$default", "${request.body.x}-${request.body.y}"]
)
def test_selection_expression_may_be_anything_of_a_message(control: ApiControl, expression: str) -> None:
    """Nested, constant, put together."""
    control.create_api({"name": "x", "protocolType": "WEBSOCKET", "routeSelectionExpression": expression})


# --- Routes ---


@pytest.mark.parametrize("key", ["$default", "$disconnect", "join"])
def test_only_connect_is_authorized(control: ApiControl, api: str, key: str) -> None:
    """In AWS's words."""
    authorizer = control.create(api, "authorizers", REQUEST)["authorizerId"]
    settings = {"routeKey": key, "authorizationType": "CUSTOM", "authorizerId": authorizer}
    assert (
        message_of(control.create, api, "routes", settings)
        == "Currently, authorization is restricted to the $connect route only"
    )
    control.create(api, "routes", {**settings, "routeKey": "$connect"})


@pytest.mark.parametrize(
    "settings",
    [
        {"authorizationType": "JWT"},
        {"routeResponseSelectionExpression": "$request.body.x"},
        {"requestParameters": {"route.request.path.x": {"required": True}}},
        {"target": "integrations"},
    ],
)
def test_wrong_routes_are_refused(control: ApiControl, api: str, settings: dict[str, Any]) -> None:
    """JWT, expressions, parameters, targets."""
    assert message_of(control.create, api, "routes", {"routeKey": "$connect", **settings})


def test_models_are_not_emulated(control: ApiControl, api: str) -> None:
    """Refused by name, not ignored."""
    with pytest.raises(NotEmulated, match="ModelSelectionExpression"):
        control.create(api, "routes", {"routeKey": "x", "modelSelectionExpression": "$default"})


def test_route_keys_are_unique(control: ApiControl, api: str) -> None:
    """A second route of the same key is a conflict."""
    control.create(api, "routes", {"routeKey": "join"})
    assert message_of(control.create, api, "routes", {"routeKey": "join"})


# --- Integrations ---


@pytest.mark.parametrize(
    "settings",
    [
        {"integrationType": "AWS_PROXY", "integrationUri": INVOKE},
        {"integrationType": "AWS_PROXY", "integrationUri": FUNCTION},
        {"integrationType": "AWS", "integrationUri": INVOKE.replace(":f/", ":${stageVariables.f}/")},
        {"integrationType": "MOCK", "requestTemplates": {"200": '{"statusCode": 200}'}},
        {**HTTP, "requestParameters": {"integration.request.header.X": "context.connectionId"}},
        {**HTTP, "requestParameters": {"integration.request.querystring.x": "route.request.body.a.b"}},
        {**HTTP, "requestParameters": {"integration.request.path.x": "'fixed'"}},
        {**HTTP, "integrationType": "HTTP_PROXY", "payloadFormatVersion": "1.0"},
    ],
)
def test_right_integrations_are_kept(control: ApiControl, api: str, settings: dict[str, Any]) -> None:
    """Of each type."""
    made = control.create(api, "integrations", settings)
    assert made["timeoutInMillis"] == 29_000 and made["passthroughBehavior"] == "WHEN_NO_MATCH"


@pytest.mark.parametrize(
    "settings",
    [
        {"integrationType": "AWS_PROXY"},
        {"integrationType": "AWS_PROXY", "integrationUri": "https://x"},
        {"integrationType": "AWS_PROXY", "integrationUri": INVOKE, "payloadFormatVersion": "2.0"},
        {"integrationType": "HTTP", "integrationUri": "x", "integrationMethod": "POST"},
        {"integrationType": "HTTP", "integrationUri": "https://x"},
        {"integrationType": "MOCK", "timeoutInMillis": 29_001},
        {"integrationType": "MOCK", "timeoutInMillis": 49},
        {"integrationType": "MOCK", "templateSelectionExpression": "$integration.response.statuscode"},
        {**HTTP, "requestParameters": {"header.X": "context.connectionId"}},
        {**HTTP, "requestParameters": {"integration.request.header.X": "somewhere"}},
    ],
)
def test_wrong_integrations_are_refused(control: ApiControl, api: str, settings: dict[str, Any]) -> None:
    """Functions, addresses, times, expressions, mappings."""
    assert message_of(control.create, api, "integrations", settings)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({**HTTP, "connectionType": "VPC_LINK", "connectionId": "x"}, "VPC_LINK"),
        ({"integrationType": "AWS", "integrationUri": "arn:aws:apigateway:us-east-1:sqs:path/1/q"}, "sqs"),
        (
            {"integrationType": "MOCK", "contentHandlingStrategy": "CONVERT_TO_TEXT"},
            "ContentHandlingStrategy",
        ),
        (
            {
                "integrationType": "AWS",
                "integrationUri": INVOKE,
                "requestParameters": {"integration.request.header.X-Amz-Invocation-Type": "'Event'"},
            },
            "X-Amz-Invocation-Type",
        ),
    ],
)
def test_what_is_missing_is_refused_by_name(
    control: ApiControl, api: str, settings: dict[str, Any], name: str
) -> None:
    """When it is set."""
    with pytest.raises(NotEmulated, match=name):
        control.create(api, "integrations", settings)


# --- Authorizers and responses ---


@pytest.mark.parametrize(
    "settings",
    [
        {"authorizerType": "JWT"},
        {"authorizerUri": "https://x"},
        {"authorizerPayloadFormatVersion": "2.0"},
        {"enableSimpleResponses": True},
        {"authorizerResultTtlInSeconds": 300},
        {"identitySource": ["$request.header.Authorization"]},
        {"identitySource": ["Authorization"]},
    ],
)
def test_wrong_authorizers_are_refused(control: ApiControl, api: str, settings: dict[str, Any]) -> None:
    """What only HTTP APIs have, and identity sources in their form."""
    assert message_of(control.create, api, "authorizers", {**REQUEST, **settings})


def test_identity_sources_are_the_routes(control: ApiControl, api: str) -> None:
    """Headers, query, context, stage variables."""
    sources = [
        "route.request.header.Auth",
        "route.request.querystring.t",
        "context.stage",
        "stageVariables.x",
    ]
    control.create(api, "authorizers", {**REQUEST, "identitySource": sources})


def test_responses_have_the_keys_that_aws_knows(control: ApiControl, api: str) -> None:
    """`$default` for routes; for integrations a pattern too; none twice."""
    route = control.create(api, "routes", {"routeKey": "$default"})["routeId"]
    integration = control.create(api, "integrations", {"integrationType": "MOCK"})["integrationId"]
    put = control.put_response
    put(api, "routes", route, {"routeResponseKey": "$default"})
    assert message_of(put, api, "routes", route, {"routeResponseKey": "200"})
    for key in ("$default", "/2\\d\\d/"):
        put(api, "integrations", integration, {"integrationResponseKey": key})
        assert message_of(put, api, "integrations", integration, {"integrationResponseKey": key})
    assert message_of(put, api, "integrations", integration, {"integrationResponseKey": "/(/"})
    settings = {"integrationResponseKey": "/5../", "responseParameters": {"a": "b"}}
    with pytest.raises(NotEmulated, match="ResponseParameters"):
        put(api, "integrations", integration, settings)


def test_stage_needs_a_name_of_its_own(control: ApiControl, api: str) -> None:
    """`$default` is for HTTP APIs."""
    assert message_of(control.create, api, "stages", {"stageName": "$default"})
    control.create(api, "stages", {"stageName": "dev"})
