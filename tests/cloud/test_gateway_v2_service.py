"""API Gateway V2 as boto3 calls it: requests by botocore's model in, answers by it out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import botocore.session
import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from multidict import CIMultiDict

from labhelpers.cloud.gateway_v2_service import GatewayV2Service
from labhelpers.cloud.protocol import AwsRequest
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.store import ApiStore
from labhelpers.model import Account

MODEL = botocore.session.get_session().get_service_model("apigatewayv2")
# What is refused by name: a part of AWS's path, and the words of the refusal.
REFUSED = {
    "/v2/domainnames": "custom domain names",
    "/v2/vpclinks": "VPC links",
    "/v2/portals": "portals",
    "/v2/portalproducts": "portals",
    "/v2/apis/{apiId}/models/{modelId}/template": "template",
}


@pytest.fixture
def service() -> GatewayV2Service:
    """A service without APIs."""
    return GatewayV2Service(ApiControl(ApiStore(Account()), lambda protocol, api_id: f"http://here/{api_id}"))


def request(method: str, path: str, query: str = "", body: bytes = b"") -> AwsRequest:
    """A signed call."""
    return AwsRequest(
        method=method,
        path=path,
        query=query,
        headers=CIMultiDict(),
        body=body,
        credentials=None,
        service="apigateway",
        region="us-east-1",
        source_ip="127.0.0.1",
        request_id="id",
    )


async def call(service: GatewayV2Service, operation: str, **parameters: Any) -> Any:
    """`await call(service, "CreateApi", Name="x", ...)`: the parsed answer."""
    wanted = MODEL.operation_model(operation)
    made = create_serializer("rest-json").serialize_to_request(parameters, wanted)
    query = urlencode(made["query_string"], doseq=True)
    body = made["body"] if isinstance(made["body"], bytes) else b""
    response = await service.handle(request(made["method"], made["url_path"], query, body))
    assert response.status == wanted.http.get("responseCode", 200)
    answer = create_parser("rest-json").parse(
        {"headers": response.headers, "status_code": response.status, "body": response.body},
        wanted.output_shape,
    )
    answer.pop("ResponseMetadata", None)
    return answer


@pytest.mark.parametrize("name", MODEL.operation_names)
async def test_every_operation_is_answered_or_refused_by_name(service: GatewayV2Service, name: str) -> None:
    """No call of AWS's API falls through."""
    http = MODEL.operation_model(name).http
    path = http["requestUri"]
    refusal = next((words for part, words in REFUSED.items() if path.startswith(part)), "")
    try:
        await service.handle(request(http["method"], re.sub(r"\{[\w-]+\+?\}", "x", path)))
    except NotEmulated as error:
        found = error.message
    except AwsError:
        found = ""
    else:
        found = ""
    assert (refusal in found) if refusal else not found, f"{name}: {found}"


async def test_life_of_an_api(service: GatewayV2Service) -> None:
    """Made, changed, listed, tagged, deleted."""
    made = await call(service, "CreateApi", Name="x", ProtocolType="HTTP", Description="d")
    api = made["ApiId"]
    assert made["ApiEndpoint"] == f"http://here/{api}" and made["Description"] == "d"
    await call(service, "UpdateApi", ApiId=api, Name="y", CorsConfiguration={"AllowOrigins": ["*"]})
    assert (await call(service, "GetApi", ApiId=api))["CorsConfiguration"] == {"AllowOrigins": ["*"]}
    await call(service, "DeleteCorsConfiguration", ApiId=api)
    (listed,) = (await call(service, "GetApis"))["Items"]
    assert listed["Name"] == "y" and "CorsConfiguration" not in listed
    arn = f"arn:aws:apigateway:us-east-1::/apis/{api}"
    await call(service, "TagResource", ResourceArn=arn, Tags={"a": "1", "b": "2"})
    await call(service, "UntagResource", ResourceArn=arn, TagKeys=["a"])
    assert (await call(service, "GetTags", ResourceArn=arn))["Tags"] == {"b": "2"}
    await call(service, "DeleteApi", ApiId=api)
    with pytest.raises(AwsError, match="Invalid API identifier"):
        await call(service, "GetApi", ApiId=api)


async def test_life_of_its_parts(service: GatewayV2Service) -> None:
    """Integration, authorizer, route, stage, deployment: each made, read, changed, listed, deleted."""
    api = (await call(service, "CreateApi", Name="x", ProtocolType="HTTP"))["ApiId"]
    integration = await call(
        service,
        "CreateIntegration",
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="https://x",
        PayloadFormatVersion="1.0",
    )
    key = integration["IntegrationId"]
    changed = await call(service, "UpdateIntegration", ApiId=api, IntegrationId=key, TimeoutInMillis=1000)
    assert changed["TimeoutInMillis"] == 1000
    authorizer = await call(
        service,
        "CreateAuthorizer",
        ApiId=api,
        Name="a",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://i", "Audience": ["a"]},
    )
    route = await call(
        service,
        "CreateRoute",
        ApiId=api,
        RouteKey="GET /x",
        Target=f"integrations/{key}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer["AuthorizerId"],
        AuthorizationScopes=["s"],
    )
    got = await call(service, "GetRoute", ApiId=api, RouteId=route["RouteId"])
    assert (got["RouteKey"], got["AuthorizationScopes"]) == ("GET /x", ["s"])
    stage = await call(
        service, "CreateStage", ApiId=api, StageName="$default", StageVariables={"a": "1"}, Tags={"k": "v"}
    )
    assert stage["StageVariables"] == {"a": "1"} and stage["CreatedDate"].year >= 2026
    deployment = await call(service, "CreateDeployment", ApiId=api, StageName="$default")
    assert (await call(service, "GetStage", ApiId=api, StageName="$default"))["DeploymentId"] == deployment[
        "DeploymentId"
    ]
    await call(
        service,
        "UpdateStage",
        ApiId=api,
        StageName="$default",
        RouteSettings={"GET /x": {"ThrottlingRateLimit": 1.5, "ThrottlingBurstLimit": 2}},
        AccessLogSettings={
            "DestinationArn": "arn:aws:logs:us-east-1:123456789012:log-group:g",
            "Format": "$context.requestId",
        },
    )
    await call(service, "DeleteRouteSettings", ApiId=api, StageName="$default", RouteKey="GET /x")
    await call(service, "DeleteAccessLogSettings", ApiId=api, StageName="$default")
    left = await call(service, "GetStage", ApiId=api, StageName="$default")
    assert left["RouteSettings"] == {} and "AccessLogSettings" not in left
    for family in ("Routes", "Integrations", "Authorizers", "Stages", "Deployments"):
        assert len((await call(service, f"Get{family}", ApiId=api))["Items"]) == 1
    await call(service, "DeleteRoute", ApiId=api, RouteId=route["RouteId"])
    await call(service, "DeleteStage", ApiId=api, StageName="$default")
    await call(service, "DeleteDeployment", ApiId=api, DeploymentId=deployment["DeploymentId"])
    await call(service, "DeleteIntegration", ApiId=api, IntegrationId=key)
    await call(service, "DeleteAuthorizer", ApiId=api, AuthorizerId=authorizer["AuthorizerId"])


async def test_lists_come_in_pages(service: GatewayV2Service) -> None:
    """MaxResults and NextToken."""
    for name in "abc":
        await call(service, "CreateApi", Name=name, ProtocolType="HTTP")
    first = await call(service, "GetApis", MaxResults="2")
    second = await call(service, "GetApis", MaxResults="2", NextToken=first["NextToken"])
    assert [item["Name"] for page in (first, second) for item in page["Items"]] == ["a", "b", "c"]
    assert "NextToken" not in second


@pytest.mark.parametrize("body", [b"{", b"[]", b"7"])
async def test_body_that_is_no_object_is_refused(service: GatewayV2Service, body: bytes) -> None:
    """As AWS's JSON services do."""
    with pytest.raises(AwsError) as caught:
        await service.handle(request("POST", "/v2/apis", body=body))
    assert caught.value.code == "SerializationException"


async def test_authorizers_cache_is_reset_by_name(service: GatewayV2Service) -> None:
    """Whoever keeps results hears of it."""
    heard: list[tuple[str, str]] = []
    service.on_reset_cache.append(lambda api, stage: heard.append((api, stage)))
    api = (await call(service, "CreateApi", Name="x", ProtocolType="HTTP"))["ApiId"]
    await call(service, "CreateStage", ApiId=api, StageName="dev")
    await call(service, "ResetAuthorizersCache", ApiId=api, StageName="dev")
    assert heard == [(api, "dev")]
