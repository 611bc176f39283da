"""Asks API Gateway's two services for the account's APIs and what they call; `api_things` says what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from labhelpers.views.api_things import ApiAnswer
from labhelpers.views.aws import Apis

AUTHORIZER = "authorizer"


def read_apis(apis: Apis) -> list[ApiAnswer]:
    """All APIs of the account. Raises botocore's errors; what is deleted meanwhile is left out."""
    return [*_rest_apis(apis), *_v2_apis(apis)]


def _rest_apis(apis: Apis) -> Iterator[ApiAnswer]:
    for api in apis.all("apigateway", "get_rest_apis", "items"):
        api_id = str(api["id"])
        uris = [
            (f"{method} {resource['path']}", str(settings["methodIntegration"]["uri"]))
            for resource in apis.all(
                "apigateway", "get_resources", "items", restApiId=api_id, embed=["methods"]
            )
            for method, settings in resource.get("resourceMethods", {}).items()
            if settings.get("methodIntegration", {}).get("uri")
        ]
        uris += [
            (AUTHORIZER, str(authorizer["authorizerUri"]))
            for authorizer in apis.all("apigateway", "get_authorizers", "items", restApiId=api_id)
            if authorizer.get("authorizerUri")
        ]
        stages = {
            str(stage["stageName"]): stage.get("variables") or {}
            for stage in apis.all("apigateway", "get_stages", "item", restApiId=api_id)
        }
        yield ApiAnswer("REST", api_id, str(api["name"]), "", uris, stages)


def _v2_apis(apis: Apis) -> Iterator[ApiAnswer]:
    for api in apis.all("apigatewayv2", "get_apis", "Items"):
        api_id = {"ApiId": str(api["ApiId"])}

        def items(operation: str, api_id: dict[str, str] = api_id) -> Iterator[Any]:
            return apis.all("apigatewayv2", operation, "Items", **api_id)

        integrations = {
            f"integrations/{found['IntegrationId']}": str(found.get("IntegrationUri", ""))
            for found in items("get_integrations")
        }
        uris = [
            (str(route["RouteKey"]), uri)
            for route in items("get_routes")
            if (uri := integrations.get(route.get("Target", ""), ""))
        ]
        uris += [
            (AUTHORIZER, str(found["AuthorizerUri"]))
            for found in items("get_authorizers")
            if found.get("AuthorizerUri")
        ]
        stages = {str(found["StageName"]): found.get("StageVariables") or {} for found in items("get_stages")}
        endpoint = str(api.get("ApiEndpoint", ""))
        yield ApiAnswer(str(api["ProtocolType"]), api_id["ApiId"], str(api["Name"]), endpoint, uris, stages)
