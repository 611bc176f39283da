"""Every path of API Gateway V1's API: the operation that answers it, or the name of what this lab leaves out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labhelpers.cloud import (
    gateway_rest_apis,
    gateway_rest_authorizers,
    gateway_rest_deployments,
    gateway_rest_documentation,
    gateway_rest_integrations,
    gateway_rest_keys,
    gateway_rest_methods,
    gateway_rest_models,
    gateway_rest_plans,
    gateway_rest_resources,
    gateway_rest_responses,
    gateway_rest_stage_updates,
    gateway_rest_stages,
)
from labhelpers.cloud.gateway_rest_call import RestCall
from labhelpers.routing import Router

_API = "/restapis/{api}"
_RESOURCE = f"{_API}/resources/{{resource}}"
_METHOD = f"{_RESOURCE}/methods/{{method}}"
_METHOD_RESPONSE = f"{_METHOD}/responses/{{status}}"
_INTEGRATION = f"{_METHOD}/integration"
_INTEGRATION_RESPONSE = f"{_INTEGRATION}/responses/{{status}}"
_PARTS = f"{_API}/documentation/parts"
_VERSIONS = f"{_API}/documentation/versions"
_PLAN = "/usageplans/{plan}"

Operation = Callable[[RestCall], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """What a path leads to: an operation and the status of its answer, or the words for what is left out."""

    status: int = 200
    run: Operation | None = None
    left_out: str = ""


# Method, path, status, operation. Those that need more than the store are in `gateway_rest_service`.
_OPERATIONS: tuple[tuple[str, str, int, Operation], ...] = (
    ("GET", "/restapis", 200, gateway_rest_apis.get_rest_apis),
    ("GET", _API, 200, gateway_rest_apis.get_rest_api),
    ("DELETE", _API, 202, gateway_rest_apis.delete_rest_api),
    ("PATCH", _API, 200, gateway_rest_apis.update_rest_api),
    ("GET", "/tags/{arn}", 200, gateway_rest_apis.get_tags),
    ("PUT", "/tags/{arn}", 204, gateway_rest_apis.tag_resource),
    ("DELETE", "/tags/{arn}", 204, gateway_rest_apis.untag_resource),
    ("GET", "/account", 200, gateway_rest_apis.get_account),
    ("PATCH", "/account", 200, gateway_rest_apis.update_account),
    ("GET", f"{_API}/resources", 200, gateway_rest_resources.get_resources),
    ("POST", _RESOURCE, 201, gateway_rest_resources.create_resource),
    ("GET", _RESOURCE, 200, gateway_rest_resources.get_resource),
    ("DELETE", _RESOURCE, 202, gateway_rest_resources.delete_resource),
    ("PATCH", _RESOURCE, 200, gateway_rest_resources.update_resource),
    ("PUT", _METHOD, 201, gateway_rest_methods.put_method),
    ("GET", _METHOD, 200, gateway_rest_methods.get_method),
    ("DELETE", _METHOD, 204, gateway_rest_methods.delete_method),
    ("PATCH", _METHOD, 200, gateway_rest_methods.update_method),
    ("PUT", _METHOD_RESPONSE, 201, gateway_rest_methods.put_method_response),
    ("GET", _METHOD_RESPONSE, 200, gateway_rest_methods.get_method_response),
    ("DELETE", _METHOD_RESPONSE, 204, gateway_rest_methods.delete_method_response),
    ("PATCH", _METHOD_RESPONSE, 201, gateway_rest_methods.update_method_response),
    ("PUT", _INTEGRATION, 201, gateway_rest_integrations.put_integration),
    ("GET", _INTEGRATION, 200, gateway_rest_integrations.get_integration),
    ("DELETE", _INTEGRATION, 204, gateway_rest_integrations.delete_integration),
    ("PATCH", _INTEGRATION, 200, gateway_rest_integrations.update_integration),
    ("PUT", _INTEGRATION_RESPONSE, 201, gateway_rest_integrations.put_integration_response),
    ("GET", _INTEGRATION_RESPONSE, 200, gateway_rest_integrations.get_integration_response),
    ("DELETE", _INTEGRATION_RESPONSE, 204, gateway_rest_integrations.delete_integration_response),
    ("PATCH", _INTEGRATION_RESPONSE, 200, gateway_rest_integrations.update_integration_response),
    ("POST", f"{_API}/models", 201, gateway_rest_models.create_model),
    ("GET", f"{_API}/models", 200, gateway_rest_models.get_models),
    ("GET", f"{_API}/models/{{model}}", 200, gateway_rest_models.get_model),
    ("DELETE", f"{_API}/models/{{model}}", 202, gateway_rest_models.delete_model),
    ("PATCH", f"{_API}/models/{{model}}", 200, gateway_rest_models.update_model),
    ("GET", f"{_API}/models/{{model}}/default_template", 200, gateway_rest_models.get_model_template),
    ("POST", f"{_API}/requestvalidators", 201, gateway_rest_models.create_request_validator),
    ("GET", f"{_API}/requestvalidators", 200, gateway_rest_models.get_request_validators),
    ("GET", f"{_API}/requestvalidators/{{validator}}", 200, gateway_rest_models.get_request_validator),
    ("DELETE", f"{_API}/requestvalidators/{{validator}}", 202, gateway_rest_models.delete_request_validator),
    ("PATCH", f"{_API}/requestvalidators/{{validator}}", 200, gateway_rest_models.update_request_validator),
    ("GET", f"{_API}/gatewayresponses", 200, gateway_rest_responses.get_gateway_responses),
    ("GET", f"{_API}/gatewayresponses/{{type}}", 200, gateway_rest_responses.get_gateway_response),
    ("PUT", f"{_API}/gatewayresponses/{{type}}", 201, gateway_rest_responses.put_gateway_response),
    ("DELETE", f"{_API}/gatewayresponses/{{type}}", 202, gateway_rest_responses.delete_gateway_response),
    ("PATCH", f"{_API}/gatewayresponses/{{type}}", 200, gateway_rest_responses.update_gateway_response),
    ("POST", f"{_API}/authorizers", 201, gateway_rest_authorizers.create_authorizer),
    ("GET", f"{_API}/authorizers", 200, gateway_rest_authorizers.get_authorizers),
    ("GET", f"{_API}/authorizers/{{authorizer}}", 200, gateway_rest_authorizers.get_authorizer),
    ("DELETE", f"{_API}/authorizers/{{authorizer}}", 202, gateway_rest_authorizers.delete_authorizer),
    ("PATCH", f"{_API}/authorizers/{{authorizer}}", 200, gateway_rest_authorizers.update_authorizer),
    ("POST", f"{_API}/deployments", 201, gateway_rest_deployments.create_deployment),
    ("GET", f"{_API}/deployments", 200, gateway_rest_deployments.get_deployments),
    ("GET", f"{_API}/deployments/{{deployment}}", 200, gateway_rest_deployments.get_deployment),
    ("DELETE", f"{_API}/deployments/{{deployment}}", 202, gateway_rest_deployments.delete_deployment),
    ("PATCH", f"{_API}/deployments/{{deployment}}", 200, gateway_rest_deployments.update_deployment),
    ("POST", f"{_API}/stages", 201, gateway_rest_stages.create_stage),
    ("GET", f"{_API}/stages", 200, gateway_rest_stages.get_stages),
    ("GET", f"{_API}/stages/{{stage}}", 200, gateway_rest_stages.get_stage),
    ("DELETE", f"{_API}/stages/{{stage}}", 202, gateway_rest_stages.delete_stage),
    ("PATCH", f"{_API}/stages/{{stage}}", 200, gateway_rest_stage_updates.update_stage),
    ("GET", "/apikeys", 200, gateway_rest_keys.get_api_keys),
    ("GET", "/apikeys/{key}", 200, gateway_rest_keys.get_api_key),
    ("DELETE", "/apikeys/{key}", 202, gateway_rest_keys.delete_api_key),
    ("PATCH", "/apikeys/{key}", 200, gateway_rest_keys.update_api_key),
    ("POST", "/usageplans", 201, gateway_rest_plans.create_usage_plan),
    ("GET", "/usageplans", 200, gateway_rest_plans.get_usage_plans),
    ("GET", _PLAN, 200, gateway_rest_plans.get_usage_plan),
    ("DELETE", _PLAN, 202, gateway_rest_plans.delete_usage_plan),
    ("PATCH", _PLAN, 200, gateway_rest_plans.update_usage_plan),
    ("POST", f"{_PLAN}/keys", 201, gateway_rest_plans.create_usage_plan_key),
    ("GET", f"{_PLAN}/keys", 200, gateway_rest_plans.get_usage_plan_keys),
    ("GET", f"{_PLAN}/keys/{{key}}", 200, gateway_rest_plans.get_usage_plan_key),
    ("DELETE", f"{_PLAN}/keys/{{key}}", 202, gateway_rest_plans.delete_usage_plan_key),
    ("POST", _PARTS, 201, gateway_rest_documentation.create_documentation_part),
    ("GET", _PARTS, 200, gateway_rest_documentation.get_documentation_parts),
    ("PUT", _PARTS, 200, gateway_rest_documentation.import_documentation_parts),
    ("GET", f"{_PARTS}/{{part}}", 200, gateway_rest_documentation.get_documentation_part),
    ("DELETE", f"{_PARTS}/{{part}}", 202, gateway_rest_documentation.delete_documentation_part),
    ("PATCH", f"{_PARTS}/{{part}}", 200, gateway_rest_documentation.update_documentation_part),
    ("POST", _VERSIONS, 201, gateway_rest_documentation.create_documentation_version),
    ("GET", _VERSIONS, 200, gateway_rest_documentation.get_documentation_versions),
    ("GET", f"{_VERSIONS}/{{version}}", 200, gateway_rest_documentation.get_documentation_version),
    ("DELETE", f"{_VERSIONS}/{{version}}", 202, gateway_rest_documentation.delete_documentation_version),
    ("PATCH", f"{_VERSIONS}/{{version}}", 200, gateway_rest_documentation.update_documentation_version),
)

# What is left out, with the paths and methods where AWS offers it.
LEFT_OUT: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "SDKs made from a REST API": (
        (f"{_API}/stages/{{stage}}/sdks/{{type}}", ("GET",)),
        ("/sdktypes", ("GET",)),
        ("/sdktypes/{type}", ("GET",)),
    ),
    "VPC links (private integrations)": (
        ("/vpclinks", ("POST", "GET")),
        ("/vpclinks/{link}", ("GET", "DELETE", "PATCH")),
    ),
    "client certificates of API Gateway": (
        ("/clientcertificates", ("POST", "GET")),
        ("/clientcertificates/{certificate}", ("GET", "DELETE", "PATCH")),
    ),
    "custom domain names of API Gateway": (
        ("/domainnames", ("POST", "GET")),
        ("/domainnames/{name}", ("GET", "DELETE", "PATCH")),
        ("/domainnames/{name}/basepathmappings", ("POST", "GET")),
        ("/domainnames/{name}/basepathmappings/{path}", ("GET", "DELETE", "PATCH")),
        ("/domainnameaccessassociations", ("POST", "GET")),
        ("/domainnameaccessassociations/{arn}", ("DELETE",)),
        ("/rejectdomainnameaccessassociations", ("POST",)),
    ),
}


def routes() -> Router[Route]:
    """All of them but those that the service adds."""
    router: Router[Route] = Router()
    for method, path, status, run in _OPERATIONS:
        router.add(method, path, Route(status, run))
    for what, places in LEFT_OUT.items():
        for path, methods in places:
            for method in methods:
                router.add(method, path, Route(left_out=what))
    return router
