"""HTTP APIs from and as OpenAPI documents."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.openapi_import import read_document
from labhelpers.gateway.v2.store import ApiStore
from labhelpers.model import Account

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "2.1", "description": "All pets"},
    "servers": [{"url": "https://x/{basePath}", "variables": {"basePath": {"default": "v1/pets"}}}],
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "security": [{"tokens": ["pets.read"]}],
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/one"
                },
            },
            "x-amazon-apigateway-any-method": {
                "x-amazon-apigateway-auth": {"type": "AWS_IAM"},
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/one"
                },
            },
            "parameters": [],
        },
        "/$default": {
            "x-amazon-apigateway-any-method": {
                "security": [{"function": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "ANY",
                    "uri": "https://backend/{proxy}",
                    "payloadFormatVersion": 1.0,
                    "timeoutInMillis": 5000,
                    "requestParameters": {"append:header.x": "$context.requestId"},
                    "responseParameters": {"500": {"overwrite:statuscode": "502"}},
                },
            }
        },
        "/nothing": {"post": {}},
    },
    "components": {
        "securitySchemes": {
            "tokens": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://i", "audience": ["a"]},
                },
            },
            "function": {
                "type": "apiKey",
                "name": "X",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "identitySource": "$request.header.X, $context.routeKey",
                    "authorizerUri": FUNCTION,
                    "authorizerPayloadFormatVersion": 2.0,
                    "authorizerResultTtlInSeconds": 60,
                    "enableSimpleResponses": True,
                },
            },
        },
        "x-amazon-apigateway-integrations": {
            "one": {"type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION, "payloadFormatVersion": "2.0"}
        },
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["https://a"], "maxAge": 10},
}


@pytest.fixture
def control() -> ApiControl:
    """A control plane without APIs."""
    return ApiControl(ApiStore(Account()), lambda protocol, api_id: f"http://here/{api_id}")


def shape(control: ApiControl, api: str) -> dict[str, Any]:
    """An API's settings without its ids."""
    found = control.store.get(api)
    integrations = {
        key: {k: v for k, v in each.items() if k != "integrationId"}
        for key, each in found.integrations.items()
    }
    authorizers = {
        key: {k: v for k, v in each.items() if k != "authorizerId"} for key, each in found.authorizers.items()
    }
    routes = {
        route["routeKey"]: {
            "kind": route["authorizationType"],
            "scopes": route.get("authorizationScopes"),
            "operation": route.get("operationName"),
            "integration": integrations.get(route.get("target", "").removeprefix("integrations/")),
            "authorizer": authorizers.get(route.get("authorizerId", "")),
        }
        for route in found.routes.values()
    }
    return {"cors": found.record.get("corsConfiguration"), "name": found.record["name"], "routes": routes}


def test_document_becomes_routes_integrations_and_authorizers(control: ApiControl) -> None:
    """Every extension that HTTP APIs know."""
    api = control.import_api(json.dumps(DOCUMENT))
    made = shape(control, api["apiId"])
    assert (api["name"], api["version"], api["description"]) == ("pets", "2.1", "All pets")
    assert made["cors"] == {"allowOrigins": ["https://a"], "maxAge": 10}
    assert set(made["routes"]) == {"GET /pets/{id}", "ANY /pets/{id}", "$default", "POST /nothing"}
    get = made["routes"]["GET /pets/{id}"]
    assert (get["kind"], get["scopes"], get["operation"]) == ("JWT", ["pets.read"], "getPet")
    assert get["authorizer"]["jwtConfiguration"] == {"issuer": "https://i", "audience": ["a"]}
    assert made["routes"]["ANY /pets/{id}"]["kind"] == "AWS_IAM"
    default = made["routes"]["$default"]
    assert default["authorizer"]["identitySource"] == ["$request.header.X", "$context.routeKey"]
    assert default["integration"]["timeoutInMillis"] == 5000
    assert default["integration"]["responseParameters"] == {"500": {"overwrite:statuscode": "502"}}
    assert made["routes"]["POST /nothing"]["integration"] is None
    assert len(control.store.get(api["apiId"]).integrations) == 2, "a shared integration is made once"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "\n".join(
                ["a0: &a0 [1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
            ),
            "too large",
        ),
        ("openapi: 3.0.1\ninfo: &me {title: x, again: *me}", "too large"),
        ("a: [", "while parsing"),
    ],
    ids=["aliases of aliases", "an alias of itself", "no YAML"],
)
def test_yaml_that_is_no_document_is_refused(text: str, words: str) -> None:
    """Little text can stand for billions of values, or for endlessly many: neither is read to its end."""
    with pytest.raises(AwsError, match=f"Invalid OpenAPI input: .*{words}"):
        read_document(text)


def test_yaml_is_read_as_json_is(control: ApiControl) -> None:
    """One document, two spellings."""
    first = control.import_api(json.dumps(DOCUMENT))["apiId"]
    second = control.import_api(yaml.safe_dump(DOCUMENT))["apiId"]
    assert shape(control, first) == shape(control, second)


@pytest.mark.parametrize("output", ["JSON", "YAML"])
def test_exported_document_makes_the_same_api(control: ApiControl, output: str) -> None:
    """Export and import are each other's inverse."""
    first = control.import_api(json.dumps(DOCUMENT))["apiId"]
    second = control.import_api(control.export_api(first, output_type=output).decode())["apiId"]
    assert shape(control, first) == shape(control, second)


def test_export_without_extensions_has_none(control: ApiControl) -> None:
    """Only what OpenAPI itself knows."""
    api = control.import_api(json.dumps(DOCUMENT))["apiId"]
    document = json.loads(control.export_api(api, output_type="JSON", extensions=False))
    text = json.dumps({**document, "paths": {}})
    assert "x-amazon" not in text and "x-amazon-apigateway-integration" not in json.dumps(document)
    assert document["paths"]["/pets/{id}"]["get"]["parameters"][0]["name"] == "id"


def test_base_path_is_ignored_prepended_or_split(control: ApiControl) -> None:
    """As the basepath parameter says."""
    keys = {
        mode: read_document(json.dumps(DOCUMENT), mode).routes[0]["routeKey"]
        for mode in ("ignore", "prepend", "split")
    }
    assert keys == {
        "ignore": "GET /pets/{id}",
        "prepend": "GET /v1/pets/pets/{id}",
        "split": "GET /pets/pets/{id}",
    }


def test_reimport_puts_the_document_in_place_of_all(control: ApiControl) -> None:
    """Id, stages and their settings stay; stages with auto-deploy serve it."""
    api = control.import_api(json.dumps(DOCUMENT))["apiId"]
    control.create(api, "stages", {"stageName": "$default", "autoDeploy": True, "stageVariables": {"a": "1"}})
    small = {"openapi": "3.0.1", "info": {"title": "small"}, "paths": {"/a": {"get": {}}}}
    assert control.reimport_api(api, json.dumps(small))["apiId"] == api
    live = control.store.live(api, "$default")
    assert live is not None and [r["routeKey"] for r in live.snapshot.routes.values()] == ["GET /a"]
    assert live.stage["stageVariables"] == {"a": "1"} and live.snapshot.cors is None


def test_reimport_that_fails_changes_nothing(control: ApiControl) -> None:
    """The API is as it was."""
    api = control.import_api(json.dumps(DOCUMENT))["apiId"]
    before = shape(control, api)
    bad = {"openapi": "3.0.1", "info": {"title": "bad"}, "paths": {"/{a}/{a}": {"get": {}}}}
    with pytest.raises(AwsError):
        control.reimport_api(api, json.dumps(bad))
    assert shape(control, api) == before
    with pytest.raises(AwsError):
        control.import_api(json.dumps(bad))
    assert list(control.store.apis) == [api]


def titled(**members: Any) -> str:
    """A document with a title and these members."""
    return json.dumps({"openapi": "3.0.1", "info": {"title": "x"}, "paths": {}, **members})


def integrated(integration: Any) -> str:
    """A document of one operation with this integration."""
    return titled(paths={"/a": {"get": {"x-amazon-apigateway-integration": integration}}})


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "not: [valid",
        json.dumps({"swagger": "2.0", "info": {"title": "x"}, "paths": {}}),
        titled(info={}),
        titled(paths=[]),
        titled(paths={"/a": []}),
        integrated(1),
        integrated({"$ref": "#/none"}),
        integrated({"type": "mock"}),
    ],
)
def test_document_that_cannot_be_imported_says_why(control: ApiControl, document: str) -> None:
    """BadRequestException, and no API."""
    with pytest.raises(AwsError) as caught:
        control.import_api(document)
    assert caught.value.code == "BadRequestException" and not control.store.apis


def test_unknown_security_scheme_is_a_warning(control: ApiControl) -> None:
    """Which becomes an error when warnings are to."""
    document = {
        "openapi": "3.0.1",
        "info": {"title": "x"},
        "paths": {"/a": {"get": {"security": [{"none": []}]}}},
    }
    assert control.import_api(json.dumps(document))["warnings"]
    with pytest.raises(AwsError, match="Warnings found during import"):
        control.import_api(json.dumps(document), fail_on_warnings=True)


def test_authorizer_of_an_unknown_kind_is_refused_by_name(control: ApiControl) -> None:
    """Not skipped, which would leave the route open."""
    scheme = {"type": "apiKey", "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools"}}
    document = {
        "openapi": "3.0.1",
        "info": {"title": "x"},
        "paths": {},
        "components": {"securitySchemes": {"c": scheme}},
    }
    with pytest.raises(NotEmulated, match="cognito_user_pools"):
        control.import_api(json.dumps(document))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["get", "security", "x-amazon-apigateway-integration", "type", "uri", "/a", "a"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=10,
    )
)
def test_any_paths_are_imported_or_refused(paths: Any) -> None:
    """No document makes the lab fail."""
    control = ApiControl(ApiStore(Account()), lambda protocol, api_id: "")
    try:
        control.import_api(json.dumps({"openapi": "3.0.1", "info": {"title": "x"}, "paths": paths}))
    except AwsError as error:
        status = error.status
    else:
        status = 200
    assert status in (200, 400, 409, 501)
