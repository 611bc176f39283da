"""OpenAPI documents: imported as REST APIs, merged into them, exported again."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.rest.documents import BadDocument, read_document
from labhelpers.gateway.rest.openapi_import import base_path, make_plan
from tests.gateway.rest.gateway import RestGateway, invocation_uri, message

EXT = "x-amazon-apigateway-"
MOCK = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {
        "default": {"statusCode": "200", "responseTemplates": {"application/json": "pets of $context.stage"}}
    },
}
FUNCTION = invocation_uri("arn:aws:lambda:us-east-1:123456789012:function:f")


def document(**more: Any) -> dict[str, Any]:
    """A document of OpenAPI 3.0 with most of API Gateway's extensions."""
    pets = {
        "operationId": "ListPets",
        "parameters": [
            {"name": "kind", "in": "query", "required": True, "schema": {"type": "string"}},
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": {
            "200": {
                "description": "fine",
                "headers": {"X-Total": {"schema": {"type": "string"}}},
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pets"}}},
            }
        },
        f"{EXT}integration": MOCK,
    }
    create = {
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
        "responses": {"200": {"description": "made"}},
        "security": [{"token": []}, {"api_key": []}],
        f"{EXT}request-validator": "body",
        f"{EXT}integration": MOCK,
    }
    proxy = {
        "parameters": [{"name": "proxy", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {},
        f"{EXT}integration": {"type": "aws_proxy", "httpMethod": "POST", "uri": FUNCTION},
    }
    token = {"type": "token", "authorizerUri": FUNCTION, "identityValidationExpression": "^x"}
    return {
        "openapi": "3.0.1",
        "info": {"title": "Pets", "version": "1.2", "description": "All pets"},
        "servers": [
            {"url": "https://example.org/{basePath}", "variables": {"basePath": {"default": "v1/api"}}}
        ],
        "paths": {
            "/pets": {"get": pets, "post": create},
            "/other/{proxy+}": {f"{EXT}any-method": proxy},
        },
        "components": {
            "schemas": {
                "Pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}},
                "Pet": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"type": "string", "example": "x"}},
                },
            },
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "name": "X-Token",
                    "in": "header",
                    f"{EXT}authtype": "custom",
                    f"{EXT}authorizer": token,
                },
                "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            },
        },
        f"{EXT}request-validators": {
            "body": {"validateRequestBody": True, "validateRequestParameters": False}
        },
        f"{EXT}gateway-responses": {"UNAUTHORIZED": {"statusCode": 418}},
        f"{EXT}binary-media-types": ["image/png"],
        **more,
    }


def test_imported_api_serves_requests(gateway: RestGateway) -> None:
    """Methods, models, validators, authorizers and gateway responses are the document's, and no others."""
    client = gateway.rest
    made = client.import_rest_api(body=json.dumps(document()), failOnWarnings=True)
    assert (made["name"], made["description"], made["version"]) == ("Pets", "All pets", "1.2")
    assert made["binaryMediaTypes"] == ["image/png"]
    api = gateway.rest_api()
    api.id, api.resources = made["id"], {}
    assert sorted(each["name"] for each in client.get_models(restApiId=api.id)["items"]) == ["Pet", "Pets"]
    methods = {
        (resource["path"], name): method
        for resource in client.get_resources(restApiId=api.id, embed=["methods"])["items"]
        for name, method in resource.get("resourceMethods", {}).items()
    }
    assert set(methods) == {("/pets", "GET"), ("/pets", "POST"), ("/other/{proxy+}", "ANY")}
    listed = methods["/pets", "GET"]
    assert listed["operationName"] == "ListPets"
    assert listed["requestParameters"] == {
        "method.request.querystring.kind": True,
        "method.request.header.X-Trace": False,
    }
    assert listed["methodResponses"]["200"] == {
        "statusCode": "200",
        "responseParameters": {"method.response.header.X-Total": False},
        "responseModels": {"application/json": "Pets"},
    }
    created = methods["/pets", "POST"]
    assert (created["authorizationType"], created["apiKeyRequired"]) == ("CUSTOM", True)
    assert created["requestModels"] == {"application/json": "Pet"}
    api.deploy()
    assert api.ask("/pets").body == b"pets of prod"
    assert message(api.ask("/pets", "POST")) == (418, "Unauthorized")


@pytest.mark.parametrize("kind", ["oas30", "swagger"])
@pytest.mark.parametrize("accepts", ["application/json", "application/yaml"])
def test_export_can_be_imported_again(gateway: RestGateway, kind: str, accepts: str) -> None:
    """With extensions nothing is lost: the second export is the first, but for the API's id."""
    client = gateway.rest
    ids = [client.import_rest_api(body=json.dumps(document()))["id"]]
    texts = []
    for _ in range(2):
        client.create_deployment(restApiId=ids[-1], stageName="prod")
        found = client.get_export(
            restApiId=ids[-1],
            stageName="prod",
            exportType=kind,
            accepts=accepts,
            parameters={"extensions": "apigateway"},
        )
        ending = accepts.partition("/")[2]
        assert found["contentDisposition"] == f'attachment; filename="{kind}_1.2.{ending}"'
        assert found["contentType"] == "application/octet-stream"
        body = found["body"].read()
        texts.append(body.decode().replace(ids[-1], "id"))
        ids.append(client.import_rest_api(body=body)["id"])
    assert texts[0] == texts[1]
    exported = yaml.safe_load(texts[0])
    assert exported["paths"]["/pets"]["get"]["operationId"] == "ListPets"
    assert exported[f"{EXT}gateway-responses"]["UNAUTHORIZED"]["statusCode"] == "418"


def test_export_without_extensions_is_plain_openapi(gateway: RestGateway) -> None:
    """No integrations, no authorizers; it is the deployment's, not the present state."""
    client = gateway.rest
    api_id = client.import_rest_api(body=json.dumps(document()))["id"]
    client.create_deployment(restApiId=api_id, stageName="prod")
    client.put_rest_api(restApiId=api_id, mode="overwrite", body=json.dumps(document(paths={})))
    body = client.get_export(restApiId=api_id, stageName="prod", exportType="oas30")["body"].read()
    found = json.loads(body)
    assert f"{EXT}integration" not in body.decode() and f"{EXT}authorizer" not in body.decode()
    assert sorted(found["paths"]) == ["/other/{proxy+}", "/pets"]
    assert found["servers"][0]["variables"] == {"basePath": {"default": "prod"}}
    assert found["components"]["schemas"]["Pets"]["items"] == {"$ref": "#/components/schemas/Pet"}


def test_merge_keeps_what_the_document_lacks(gateway: RestGateway) -> None:
    """Overwriting does not; resources that stay keep their ids, stages and deployments are as before."""
    client = gateway.rest
    api_id = client.import_rest_api(body=json.dumps(document()))["id"]
    client.create_deployment(restApiId=api_id, stageName="prod")

    def paths() -> dict[str, str]:
        return {each["path"]: each["id"] for each in client.get_resources(restApiId=api_id)["items"]}

    before = paths()
    more = document(paths={"/more": {"get": {"responses": {}, f"{EXT}integration": MOCK}}})
    more[f"{EXT}binary-media-types"] = ["image/jpeg"]
    merged = client.put_rest_api(restApiId=api_id, mode="merge", body=json.dumps(more))
    assert merged["binaryMediaTypes"] == ["image/png", "image/jpeg"]
    assert {**before, "/more": paths()["/more"]} == paths()
    kept = paths()["/more"]
    written = client.put_rest_api(restApiId=api_id, mode="overwrite", body=json.dumps(more))
    assert written["binaryMediaTypes"] == ["image/jpeg"]
    assert paths() == {"/": before["/"], "/more": kept}
    assert client.get_stages(restApiId=api_id)["item"][0]["stageName"] == "prod"


@pytest.mark.parametrize(("mode", "expected"), [("ignore", ""), ("prepend", "/v1/api"), ("split", "/api")])
def test_base_path(mode: str, expected: str) -> None:
    """Ignored, put before all paths, or that without its first part."""
    assert base_path(document(), mode) == expected
    assert base_path({"swagger": "2.0", "basePath": "/v1/api/"}, mode) == expected
    assert {each.path for each in make_plan(document(), "abc", mode).methods} == {
        f"{expected}/pets",
        f"{expected}/other/{{proxy+}}",
    }


def test_all_that_is_wrong_is_said_at_once(gateway: RestGateway) -> None:
    """And nothing of the document is taken over."""
    client = gateway.rest
    bad = document(
        paths={
            "/a b": {"get": {f"{EXT}integration": MOCK}},
            "/x": {
                "get": {f"{EXT}integration": {"type": "http", "httpMethod": "GET", "uri": "no address"}},
                "post": {f"{EXT}integration": {"type": "nonsense"}},
            },
        }
    )
    count = len(client.get_rest_apis(limit=500)["items"])
    with pytest.raises(ClientError) as refused:
        client.import_rest_api(body=json.dumps(bad))
    words = refused.value.response["Error"]["Message"]
    assert words.startswith("Errors found during import:\n\t")
    assert "Unable to create resource at path '/a b'" in words
    assert "Unable to put integration on 'GET' for resource at path '/x': Invalid HTTP endpoint" in words
    assert "'POST' for resource at path '/x'" in words
    assert len(client.get_rest_apis(limit=500)["items"]) == count
    api_id = client.import_rest_api(body=json.dumps(document()))["id"]
    with pytest.raises(ClientError):
        client.put_rest_api(restApiId=api_id, mode="overwrite", body=json.dumps(bad))
    assert len(client.get_resources(restApiId=api_id)["items"]) == 4


LAUGHS = "openapi: 3.0.0\nx0: &x0 [1,1]\n" + "".join(
    f"x{n}: &x{n} [*x{n - 1},*x{n - 1}]\n" for n in range(1, 30)
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "a: [",
        '{"openapi": "3.0.1"}',
        '{"swagger": "1.2", "info": {"title": "x"}}',
        "&a [*a]",
        LAUGHS,
    ],
)
def test_what_is_no_document_is_refused(gateway: RestGateway, text: str) -> None:
    """Also what would become endless."""
    with pytest.raises(ClientError, match="Invalid OpenAPI input"):
        gateway.rest.import_rest_api(body=text.encode() or b" ")


JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["#/definitions/Pet", "get"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["$ref", "in", "name", "schema", "content", "responses", "type", f"{EXT}integration", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
PLACES = [
    "paths",
    "components",
    "definitions",
    "security",
    "servers",
    "securityDefinitions",
    f"{EXT}request-validators",
]


@given(st.dictionaries(st.sampled_from(PLACES), JSON), st.dictionaries(st.text("/{}+ab", max_size=4), JSON))
def test_any_document_makes_a_plan_or_is_refused(found: dict[str, Any], paths: dict[str, Any]) -> None:
    """Nothing else comes of it."""
    for head in ({"swagger": "2.0"}, {"openapi": "3.0.0"}):
        whole = {
            **head,
            "info": {"title": "x"},
            "paths": {path: {"get": item} for path, item in paths.items()},
            **found,
        }
        try:
            make_plan(whole, "abc", "prepend")
        except BadDocument:
            continue


@given(st.binary(max_size=80) | st.text("a: []{}\n\"'&*!-", max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_refused(data: bytes) -> None:
    """JSON, YAML, or BadDocument."""
    try:
        assert isinstance(read_document(data), dict)
    except BadDocument:
        return
