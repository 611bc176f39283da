"""What a REST API answers by itself: defaults, and customised responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.gateway_responses import LISTED, GatewayError, Kind, answer, describe, fill
from labhelpers.gateway.rest.parameters import Values, read_mappings
from labhelpers.gateway.rest.settings import GatewayResponse
from tests.gateway.rest.gateway import RestGateway, message

NO_VALUES = Values({"X-Mine": ["1"]}, {"q": ["2"]}, {}, b"", dict, {"v": "3"})

# docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
STATUSES = {
    "ACCESS_DENIED": 403,
    "API_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500,
    "BAD_REQUEST_BODY": 400,
    "BAD_REQUEST_PARAMETERS": 400,
    "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504,
    "INTEGRATION_TIMEOUT": 504,
    "INVALID_API_KEY": 403,
    "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_TOO_LARGE": 413,
    "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "WAF_FILTERED": 403,
}


def given_by(
    kind: Kind, custom: Mapping[str, GatewayResponse] | None = None, accept: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for an error of this kind."""
    found = answer(GatewayError(kind, 'a "word"', detail="[q]"), custom or {}, (), NO_VALUES, accept)
    return found.status, dict(found.headers), found.body


@pytest.mark.parametrize("name", LISTED)
def test_every_type_has_aws_s_status(name: str) -> None:
    """Those that stand for all of their class have none of their own."""
    status, headers, body = given_by(Kind[name])
    assert status == STATUSES.get(name, {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}.get(name))
    assert headers["x-amzn-ErrorType"].endswith("Exception")
    assert json.loads(body) in ({"message": 'a "word"'}, {"Message": 'a "word"'})
    assert describe(name, {}).get("statusCode") == (str(STATUSES[name]) if name in STATUSES else None)
    assert set(LISTED) == {*STATUSES, "DEFAULT_4XX", "DEFAULT_5XX"}


def test_customised_response_has_its_status_headers_and_template() -> None:
    """Parameters may read the request, the context and stage variables."""
    custom = GatewayResponse(
        418,
        read_mappings(
            {
                "gatewayresponse.header.A": "'static'",
                "gatewayresponse.header.B": "method.request.header.x-mine",
                "gatewayresponse.header.C": "method.request.querystring.q",
                "gatewayresponse.header.D": "context.error.responseType",
                "gatewayresponse.header.E": "stageVariables.v",
                "gatewayresponse.header.F": "method.request.header.missing",
                "gatewayresponse.header.Content-Type": "'application/problem+json'",
            },
            "gatewayresponse.",
        ),
        {
            "application/json": '{"m": $context.error.messageString, "v": "$context.error.validationErrorString"}'
        },
    )
    status, headers, body = given_by(Kind.BAD_REQUEST_BODY, {"BAD_REQUEST_BODY": custom})
    assert (status, json.loads(body)) == (418, {"m": 'a "word"', "v": "[q]"})
    assert [headers.get(name) for name in "ABCDEF"] == ["static", "1", "2", "BAD_REQUEST_BODY", "3", None]
    assert headers["Content-Type"] == "application/problem+json"


def test_what_the_validator_found_fits_between_quotes() -> None:
    """AWS escapes validationErrorString and puts no quotes around it, unlike messageString."""
    wrong = 'object has missing required properties (["name"])'
    error = GatewayError(Kind.BAD_REQUEST_BODY, "Invalid request body", detail=f"[{wrong}]")
    template = '{"why": "$context.error.validationErrorString"}'
    custom = {"BAD_REQUEST_BODY": GatewayResponse(None, (), {"application/json": template})}
    assert json.loads(answer(error, custom, (), NO_VALUES, None).body) == {"why": f"[{wrong}]"}


def test_defaults_of_a_class_stand_in_for_its_types() -> None:
    """Unless a type is customised itself; the status stays the type's own."""
    of_class = GatewayResponse(None, (), {"application/json": "class"})
    own = GatewayResponse(None, (), {"application/json": "own"})
    custom = {"DEFAULT_4XX": of_class, "THROTTLED": own}
    assert given_by(Kind.UNAUTHORIZED, custom)[::2] == (401, b"class")
    assert given_by(Kind.THROTTLED, custom)[::2] == (429, b"own")
    assert given_by(Kind.INTEGRATION_TIMEOUT, custom)[0] == 504
    assert given_by(Kind.INTEGRATION_TIMEOUT, custom)[2] != b"class"


def test_template_goes_by_accept() -> None:
    """That for JSON where none fits."""
    custom = {"THROTTLED": GatewayResponse(None, (), {"application/json": "json", "text/html": "html"})}
    assert given_by(Kind.THROTTLED, custom, "text/html")[1:] == (
        {"Content-Type": "text/html", "x-amzn-ErrorType": "TooManyRequestsException"},
        b"html",
    )
    assert given_by(Kind.THROTTLED, custom, "image/png")[2] == b"json"


@given(st.text("$context.stageVariables.error{}#if()x\\", max_size=60))
def test_any_template_is_filled(template: str) -> None:
    """They know variables only, no Velocity."""
    assert isinstance(fill(template, {"error": {"x": 1}}, {}), str)
    assert fill("#if(true)$context.a.b#end$context.none", {"a": {"b": 1}}, {}) == "#if(true)1#end"


def test_customised_responses_end_to_end(gateway: RestGateway) -> None:
    """Set, served after a deployment, reset."""
    api = gateway.rest_api()
    api.mock("/")
    api.deploy()

    def put(kind: str, **settings: Any) -> None:
        api.client.put_gateway_response(restApiId=api.id, responseType=kind, **settings)

    put(
        "MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        responseTemplates={
            "application/json": '{"no": "$context.path", "type": "$context.error.responseType"}'
        },
    )
    assert message(api.ask("/x")) == (403, "Missing Authentication Token")
    api.deploy()
    answer = api.ask("/x")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (404, "*")
    assert answer.json == {"no": "/prod/x", "type": "MISSING_AUTHENTICATION_TOKEN"}
    found = api.client.get_gateway_response(restApiId=api.id, responseType="MISSING_AUTHENTICATION_TOKEN")
    assert (found["statusCode"], found["defaultResponse"]) == ("404", False)
    api.client.delete_gateway_response(restApiId=api.id, responseType="MISSING_AUTHENTICATION_TOKEN")
    assert len(api.client.get_gateway_responses(restApiId=api.id)["items"]) == 21
    with pytest.raises(ClientError, match="Gateway response type not defined on api"):
        api.client.delete_gateway_response(restApiId=api.id, responseType="MISSING_AUTHENTICATION_TOKEN")
    with pytest.raises(ClientError, match="failed to satisfy constraint"):
        put("NONSENSE")
