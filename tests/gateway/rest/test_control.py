"""The control plane of REST APIs: what AWS refuses, and in which words; what this lab leaves out, by name."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labhelpers.cloud.gateway_rest_routes import LEFT_OUT
from tests.gateway.rest.gateway import REGION, RestApi, RestGateway, invocation_uri

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.fixture(scope="module")
def api(gateway: RestGateway) -> RestApi:
    """An API with a bare method at `/x/{id}`."""
    made = gateway.rest_api()
    made.method("/x/{id}", requestParameters={"method.request.path.id": True})
    return made


def refused(call: Any, **arguments: Any) -> tuple[str, str]:
    """Code and message of a refusal."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# --- APIs and resources ---


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"name": ""}, "BadRequestException", "API name cannot be empty"),
        ({"name": "x", "description": ""}, "BadRequestException", "Description cannot be an empty string"),
        ({"name": "x", "apiKeySource": "X"}, "ValidationException", "[AUTHORIZER, HEADER]"),
        (
            {"name": "x", "endpointConfiguration": {"types": ["X"]}},
            "ValidationException",
            "endpointConfiguration.types",
        ),
        (
            {"name": "x", "endpointConfiguration": {"types": []}},
            "BadRequestException",
            "cannot be both DISABLED",
        ),
        ({"name": "x", "minimumCompressionSize": -1}, "BadRequestException", "between 0 and 10485760"),
        ({"name": "x", "policy": "no JSON"}, "BadRequestException", "Invalid policy document"),
    ],
)
def test_bad_apis_are_refused(gateway: RestGateway, arguments: Any, code: str, words: str) -> None:
    """By CreateRestApi."""
    found = refused(gateway.rest.create_rest_api, **arguments)
    assert found[0] == code and words in found[1]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("a b", "path part only allow"),
        ("a/b", "path part only allow"),
        ("{a}b", "path part only allow"),
        ("{a", "path part only allow"),
        ("a+", "path part only allow"),
        ("", "path part only allow"),
        ("x", "Another resource with the same parent already has this name: x"),
    ],
)
def test_bad_resources_are_refused(api: RestApi, part: str, words: str) -> None:
    """By CreateResource."""
    parent = api.resource("/")
    assert words in refused(api.client.create_resource, restApiId=api.id, parentId=parent, pathPart=part)[1]


def test_variables_have_their_rules(api: RestApi) -> None:
    """One for each parent, and nothing below a greedy one."""
    second = refused(
        api.client.create_resource, restApiId=api.id, parentId=api.resource("/x"), pathPart="{other}"
    )
    assert "already has a variable path part" in second[1]
    greedy = api.resource("/g/{all+}")
    below = refused(api.client.create_resource, restApiId=api.id, parentId=greedy, pathPart="more")
    assert "greedy path variable" in below[1]


def test_resource_can_move(gateway: RestGateway) -> None:
    """With all below it, but not below itself; the root stays."""
    api = gateway.rest_api()
    a, b = api.resource("/a"), api.resource("/a/b")
    c = api.resource("/c")

    def move(resource: str, parent: str) -> Any:
        patch = {"op": "replace", "path": "/parentId", "value": parent}
        return api.client.update_resource(restApiId=api.id, resourceId=resource, patchOperations=[patch])

    move(a, c)
    paths = {each["path"] for each in api.client.get_resources(restApiId=api.id)["items"]}
    assert paths == {"/", "/c", "/c/a", "/c/a/b"}
    with pytest.raises(ClientError, match="Resources cannot be cyclical"):
        move(a, b)
    with pytest.raises(ClientError, match="Root resource cannot update its parentId"):
        move(api.resource("/"), a)
    with pytest.raises(ClientError, match="Cannot delete root resource"):
        api.client.delete_resource(restApiId=api.id, resourceId=api.resource("/"))
    api.client.delete_resource(restApiId=api.id, resourceId=c)
    assert len(api.client.get_resources(restApiId=api.id)["items"]) == 1


# --- Methods and integrations ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"httpMethod": "PLAY"}, "Invalid HttpMethod specified"),
        ({"httpMethod": "GET"}, "Method already exists for this resource"),
        ({"httpMethod": "PUT", "authorizationType": "X"}, "Invalid authorization type specified"),
        ({"httpMethod": "PUT", "authorizationType": "CUSTOM"}, "Invalid authorizer ID specified"),
        ({"httpMethod": "PUT", "requestValidatorId": "x"}, "Invalid Request Validator identifier specified"),
        (
            {"httpMethod": "PUT", "requestModels": {"application/json": "X"}},
            "Invalid model identifier specified: X",
        ),
        (
            {"httpMethod": "PUT", "requestParameters": {"method.request.body.x": True}},
            "Invalid mapping expression",
        ),
        (
            {
                "httpMethod": "PUT",
                "requestParameters": {"method.request.header.a": True, "method.request.querystring.a": True},
            },
            "Parameter names must be unique",
        ),
    ],
)
def test_bad_methods_are_refused(api: RestApi, arguments: Any, words: str) -> None:
    """By PutMethod."""
    place = {"restApiId": api.id, "resourceId": api.resource("/x/{id}")}
    settings = {"authorizationType": "NONE", **arguments}
    assert words in refused(api.client.put_method, **place, **settings)[1]


HTTP = {"type": "HTTP", "integrationHttpMethod": "GET", "uri": "http://example.org/"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"type": "X"}, "Member must satisfy enum value set: [HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]"),
        ({**HTTP, "uri": "nothing"}, "Invalid HTTP endpoint specified for URI"),
        ({"type": "HTTP", "uri": "http://example.org"}, "Enumeration value for HttpMethod must be non-empty"),
        ({**HTTP, "type": "AWS", "uri": "http://example.org"}, "Invalid ARN specified in the request"),
        ({**HTTP, "type": "AWS", "uri": FUNCTION}, "AWS ARN for integration must contain path or action"),
        ({**HTTP, "timeoutInMillis": 49}, "Timeout should be between 50 ms and 29000 ms"),
        ({**HTTP, "timeoutInMillis": 29001}, "Timeout should be between 50 ms and 29000 ms"),
        ({**HTTP, "passthroughBehavior": "X"}, "Invalid passthrough behavior specified"),
        ({**HTTP, "contentHandling": "X"}, "[CONVERT_TO_BINARY, CONVERT_TO_TEXT]"),
        ({**HTTP, "requestTemplates": {"nonsense": ""}}, "Invalid content type specified: nonsense"),
        ({**HTTP, "requestParameters": {"x": "'1'"}}, "Invalid mapping expression specified: x"),
        (
            {**HTTP, "requestParameters": {"integration.request.header.X": "y"}},
            "Invalid mapping expression specified: y",
        ),
        (
            {**HTTP, "requestParameters": {"integration.request.header.X": "method.request.querystring.q"}},
            "Invalid mapping expression parameter specified: method.request.querystring.q",
        ),
    ],
)
def test_bad_integrations_are_refused(api: RestApi, arguments: Any, words: str) -> None:
    """By PutIntegration."""
    assert words in refused(api.client.put_integration, **api.place("/x/{id}"), **arguments)[1]


def test_slashes_of_a_function_s_uri_are_mended(gateway: RestGateway) -> None:
    """AWS takes `path//2015-03-31`, and shows one slash (recorded)."""
    api = gateway.rest_api()
    api.mock("/")
    function = "arn:aws:lambda:us-east-1:123456789012:function:f"
    start = "arn:aws:apigateway:us-east-1:lambda:path"
    uri = f"{start}//2015-03-31/functions/{function}/invocations"
    found = api.client.put_integration(
        **api.place("/"), type="AWS_PROXY", integrationHttpMethod="POST", uri=uri
    )
    assert found["uri"] == f"{start}/2015-03-31/functions/{function}/invocations"


def test_responses_have_their_rules(gateway: RestGateway) -> None:
    """Statuses of three digits; headers must be declared by the method's response."""
    api = gateway.rest_api()
    api.mock("/")
    place = api.place("/")
    assert "[1-5]\\d\\d" in refused(api.client.put_method_response, **place, statusCode="600")[1]
    assert "Response already exists" in refused(api.client.put_method_response, **place, statusCode="200")[1]
    found = refused(
        api.client.put_integration_response,
        **place,
        statusCode="200",
        responseParameters={"method.response.header.X": "'1'"},
    )
    assert "Invalid mapping expression parameter specified: method.response.header.X" in found[1]


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("X", {}, "[TOKEN, REQUEST, COGNITO_USER_POOLS]"),
        ("TOKEN", {"authorizerUri": "nonsense"}, "Invalid Authorizer URI"),
        ("TOKEN", {"authorizerResultTtlInSeconds": 3601}, "Authorizer TTL must be between 0 and 3600"),
        ("REQUEST", {}, "Identity source must be specified when authorizer caching is enabled"),
        ("REQUEST", {"identitySource": "nonsense"}, "Invalid identity source specified"),
        ("COGNITO_USER_POOLS", {"providerARNs": ["nonsense"]}, "Invalid Authorizer provider ARNs"),
    ],
)
def test_bad_authorizers_are_refused(api: RestApi, kind: str, arguments: Any, words: str) -> None:
    """By CreateAuthorizer."""
    settings = {"authorizerUri": invocation_uri(FUNCTION), **arguments}
    assert (
        words in refused(api.client.create_authorizer, restApiId=api.id, name="a", type=kind, **settings)[1]
    )


# --- What is not there ---


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("get_rest_api", {}, "Invalid API identifier specified 123456789012:nothing"),
        ("delete_rest_api", {}, "Invalid API identifier specified 123456789012:nothing"),
        ("get_resource", {"resourceId": "x"}, "Invalid Resource identifier specified"),
        ("get_method", {"resourceId": "x", "httpMethod": "GET"}, "Invalid Resource identifier specified"),
        ("get_model", {"modelName": "x"}, "Invalid model name specified: x"),
        (
            "get_request_validator",
            {"requestValidatorId": "x"},
            "Invalid Request Validator identifier specified",
        ),
    ],
)
def test_what_is_not_there_is_not_found(
    gateway: RestGateway, operation: str, arguments: Any, words: str
) -> None:
    """NotFoundException, in AWS's words."""
    code, message = refused(getattr(gateway.rest, operation), restApiId="nothing", **arguments)
    assert (code, words in message) == ("NotFoundException", True), message


def test_parts_of_a_method_that_are_not_there(api: RestApi) -> None:
    """Method, integration, response."""
    place = {**api.place("/x/{id}"), "httpMethod": "PATCH"}
    assert refused(api.client.get_method, **place)[1] == "Invalid Method identifier specified"
    place = api.place("/x/{id}")
    assert refused(api.client.get_integration, **place)[1] == "Invalid Integration identifier specified"
    found = refused(api.client.get_method_response, **place, statusCode="200")
    assert found[1] == "Invalid Response status code specified"


# --- Patches ---

OPERATIONS = ["add", "remove", "replace", "copy", "move", "test", "nonsense"]
PATHS = st.sampled_from(
    "/ name /name /variables/a /*/*/throttling/rateLimit /canarySettings /canarySettings/percentTraffic /policy // "
    "/deploymentId /binaryMediaTypes/image~1png /quota/limit /throttle /x/y/z /description /minimumCompressionSize "
    "/responseTemplates/application~1json /selectionPattern /requestParameters/method.request.path.a /uri".split()
)
PATCHES = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(OPERATIONS)}, optional={"path": PATHS, "value": st.text(max_size=5)}
    ),
    max_size=3,
)


_CODES = (
    "",
    "BadRequestException",
    "ValidationException",
    "NotFoundException",
    "ConflictException",
    "NotEmulatedByThisLab",
)


def code_of(call: Any, **arguments: Any) -> str:
    """The code of a refusal; empty when the call is done."""
    try:
        call(**arguments)
    except ClientError as refusal:
        return str(refusal.response["Error"]["Code"])
    return ""


@given(PATCHES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_patch_is_done_or_refused(gateway: RestGateway, patches: list[dict[str, str]]) -> None:
    """No patch is an error of the cloud's own, and what it leaves can be shown and served."""
    if not hasattr(gateway, "patched"):
        api = gateway.rest_api()
        api.mock("/")
        api.deploy()
        gateway.patched = api, gateway.rest.create_usage_plan(name="p")["id"]  # type: ignore[attr-defined]
    api, plan = gateway.patched  # type: ignore[attr-defined]
    place, client = api.place("/"), api.client
    calls: list[tuple[Any, dict[str, str]]] = [
        (client.update_rest_api, {"restApiId": api.id}),
        (client.update_stage, {"restApiId": api.id, "stageName": "prod"}),
        (client.update_method, place),
        (client.update_integration_response, {**place, "statusCode": "200"}),
        (client.update_usage_plan, {"usagePlanId": plan}),
        (client.update_resource, {"restApiId": api.id, "resourceId": place["resourceId"]}),
        (client.update_account, {}),
    ]
    for call, arguments in calls:
        assert code_of(call, patchOperations=patches, **arguments) in _CODES, (call, patches)
    assert client.get_stage(restApiId=api.id, stageName="prod")["deploymentId"]
    assert api.ask().status in (200, 403, 429, 500)


# --- What is left out ---


@pytest.mark.parametrize(
    ("operation", "arguments", "words"),
    [
        ("create_vpc_link", {"name": "x", "targetArns": ["arn"]}, "VPC links"),
        ("generate_client_certificate", {}, "client certificates"),
        ("create_domain_name", {"domainName": "example.org"}, "custom domain names"),
        ("get_sdk", {"restApiId": "x", "stageName": "y", "sdkType": "python"}, "SDKs made from a REST API"),
        ("create_rest_api", {"name": "x", "cloneFrom": "y"}, "cloneFrom"),
        (
            "create_rest_api",
            {"name": "x", "endpointConfiguration": {"types": ["PRIVATE"]}},
            "private REST APIs",
        ),
    ],
)
def test_what_is_left_out_is_refused_by_name(
    gateway: RestGateway, operation: str, arguments: Any, words: str
) -> None:
    """NotEmulatedByThisLab."""
    code, message = refused(getattr(gateway.rest, operation), **arguments)
    assert (code, words in message) == ("NotEmulatedByThisLab", True), message
    assert LEFT_OUT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({**HTTP, "connectionType": "VPC_LINK", "connectionId": "x"}, "VPC links"),
        ({**HTTP, "tlsConfig": {"insecureSkipVerification": True}}, "tlsConfig"),
        (
            {**HTTP, "type": "AWS_PROXY", "uri": f"arn:aws:apigateway:{REGION}:firehose:action/PutRecord"},
            "firehose",
        ),
    ],
)
def test_integrations_that_are_left_out_are_refused_by_name(api: RestApi, arguments: Any, words: str) -> None:
    """NotEmulatedByThisLab, and nothing is set."""
    code, message = refused(api.client.put_integration, **api.place("/x/{id}"), **arguments)
    assert (code, words in message) == ("NotEmulatedByThisLab", True), message


def test_condition_that_nothing_evaluates_is_refused_by_name(gateway: RestGateway) -> None:
    """A resource policy must not be taken for one that protects."""
    policy = (
        '{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*", '
        '"Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}]}'
    )
    code, message = refused(gateway.rest.create_rest_api, name="x", policy=policy)
    assert (code, "aws:SourceVpc" in message) == ("NotEmulatedByThisLab", True)


# --- Lists, tags, settings that are only kept ---


def test_lists_come_in_pages(gateway: RestGateway) -> None:
    """`limit` and `position`, as boto3's paginator asks."""
    api = gateway.rest_api()
    for name in "abcde":
        api.resource(f"/{name}")
    pages = gateway.rest.get_paginator("get_resources").paginate(
        restApiId=api.id, PaginationConfig={"PageSize": 2}
    )
    assert [[each["path"] for each in page["items"]] for page in pages] == [
        ["/", "/a"],
        ["/b", "/c"],
        ["/d", "/e"],
    ]


def test_tags_are_kept(gateway: RestGateway) -> None:
    """Of APIs and stages."""
    api = gateway.rest_api(tags={"a": "1"})
    api.mock("/")
    api.deploy()
    for arn in (
        f"arn:aws:apigateway:{REGION}::/restapis/{api.id}",
        f"arn:aws:apigateway:{REGION}::/restapis/{api.id}/stages/prod",
    ):
        gateway.rest.tag_resource(resourceArn=arn, tags={"b": "2"})
        gateway.rest.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert gateway.rest.get_tags(resourceArn=arn)["tags"] == {"b": "2"}
    with pytest.raises(ClientError, match="not found"):
        gateway.rest.get_tags(resourceArn=f"arn:aws:apigateway:{REGION}::/restapis/nothing")


def test_documentation_has_versions(gateway: RestGateway) -> None:
    """Parts as they were when a version was made; a stage may have one."""
    api, client = gateway.rest_api(), gateway.rest
    api.mock("/")
    api.deploy()
    with pytest.raises(ClientError, match="no documentation parts"):
        client.create_documentation_version(restApiId=api.id, documentationVersion="1")
    location = {"type": "METHOD", "path": "/", "method": "GET"}
    part = client.create_documentation_part(
        restApiId=api.id, location=location, properties='{"summary": "one"}'
    )
    with pytest.raises(ClientError, match="already exists"):
        client.create_documentation_part(restApiId=api.id, location=location, properties='{"summary": "two"}')
    with pytest.raises(ClientError, match="must be non-empty"):
        client.create_documentation_part(restApiId=api.id, location={"type": "API"}, properties="no JSON")
    client.create_documentation_version(restApiId=api.id, documentationVersion="1", stageName="prod")
    patch = [{"op": "replace", "path": "/properties", "value": '{"summary": "two"}'}]
    client.update_documentation_part(restApiId=api.id, documentationPartId=part["id"], patchOperations=patch)
    body = client.get_export(restApiId=api.id, stageName="prod", exportType="oas30")["body"].read()
    assert b'"summary": "one"' in body
    client.delete_documentation_part(restApiId=api.id, documentationPartId=part["id"])
    assert client.get_documentation_parts(restApiId=api.id)["items"] == []
    assert client.get_documentation_versions(restApiId=api.id)["items"][0]["version"] == "1"
