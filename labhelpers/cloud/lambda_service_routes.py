"""Every path of Lambda's API: the operation that answers it, or the name of what this lab leaves out."""

from __future__ import annotations

from dataclasses import dataclass

from labhelpers.cloud import (
    lambda_service_aliases,
    lambda_service_concurrency,
    lambda_service_event_sources,
    lambda_service_functions,
    lambda_service_layers,
    lambda_service_tags,
    lambda_service_urls,
)
from labhelpers.cloud.lambda_service_control import Operation
from labhelpers.routing import Router

_FUNCTIONS = "/2015-03-31/functions"
_FUNCTION = f"{_FUNCTIONS}/{{FunctionName}}"
_ALIAS = f"{_FUNCTION}/aliases/{{Name}}"
_EVENT_INVOKE = "/2019-09-25/functions/{FunctionName}/event-invoke-config"
_RECURSION = "/2024-08-31/functions/{FunctionName}/recursion-config"
_PROVISIONED = "/2019-09-30/functions/{FunctionName}/provisioned-concurrency"
_LAYERS = "/2018-10-31/layers"
_LAYER_VERSIONS = f"{_LAYERS}/{{LayerName}}/versions"
_LAYER_VERSION = f"{_LAYER_VERSIONS}/{{VersionNumber}}"
_MAPPINGS = "/2015-03-31/event-source-mappings"
_MAPPING = f"{_MAPPINGS}/{{UUID}}"
_TAGS = "/2017-03-31/tags/{Resource}"
_URL = "/2021-10-31/functions/{FunctionName}"


@dataclass(frozen=True, slots=True)
class Route:
    """What a path leads to: an operation by AWS's name, or `left_out`, the words for what this lab does not do."""

    name: str
    run: Operation | None = None
    left_out: str = ""


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


_OPERATIONS: tuple[tuple[str, str, Operation], ...] = (
    ("POST", _FUNCTIONS, lambda_service_functions.create_function),
    ("GET", _FUNCTIONS, lambda_service_functions.list_functions),
    ("GET", _FUNCTION, lambda_service_functions.get_function),
    ("DELETE", _FUNCTION, lambda_service_functions.delete_function),
    ("PUT", f"{_FUNCTION}/code", lambda_service_functions.update_function_code),
    ("GET", f"{_FUNCTION}/configuration", lambda_service_functions.get_function_configuration),
    ("PUT", f"{_FUNCTION}/configuration", lambda_service_functions.update_function_configuration),
    ("POST", f"{_FUNCTION}/versions", lambda_service_functions.publish_version),
    ("GET", f"{_FUNCTION}/versions", lambda_service_functions.list_versions_by_function),
    (
        "GET",
        "/2020-06-30/functions/{FunctionName}/code-signing-config",
        lambda_service_functions.get_function_code_signing_config,
    ),
    ("POST", f"{_FUNCTION}/aliases", lambda_service_aliases.create_alias),
    ("GET", f"{_FUNCTION}/aliases", lambda_service_aliases.list_aliases),
    ("GET", _ALIAS, lambda_service_aliases.get_alias),
    ("PUT", _ALIAS, lambda_service_aliases.update_alias),
    ("DELETE", _ALIAS, lambda_service_aliases.delete_alias),
    ("POST", f"{_FUNCTION}/policy", lambda_service_aliases.add_permission),
    ("GET", f"{_FUNCTION}/policy", lambda_service_aliases.get_policy),
    ("DELETE", f"{_FUNCTION}/policy/{{StatementId}}", lambda_service_aliases.remove_permission),
    ("PUT", _EVENT_INVOKE, lambda_service_aliases.put_function_event_invoke_config),
    ("POST", _EVENT_INVOKE, lambda_service_aliases.update_function_event_invoke_config),
    ("GET", _EVENT_INVOKE, lambda_service_aliases.get_function_event_invoke_config),
    ("DELETE", _EVENT_INVOKE, lambda_service_aliases.delete_function_event_invoke_config),
    ("GET", f"{_EVENT_INVOKE}/list", lambda_service_aliases.list_function_event_invoke_configs),
    (
        "PUT",
        "/2017-10-31/functions/{FunctionName}/concurrency",
        lambda_service_concurrency.put_function_concurrency,
    ),
    (
        "DELETE",
        "/2017-10-31/functions/{FunctionName}/concurrency",
        lambda_service_concurrency.delete_function_concurrency,
    ),
    ("PUT", _RECURSION, lambda_service_tags.put_function_recursion_config),
    ("GET", _RECURSION, lambda_service_tags.get_function_recursion_config),
    (
        "GET",
        "/2019-09-30/functions/{FunctionName}/concurrency",
        lambda_service_concurrency.get_function_concurrency,
    ),
    ("PUT", _PROVISIONED, lambda_service_concurrency.put_provisioned_concurrency_config),
    ("GET", _PROVISIONED, lambda_service_concurrency.get_provisioned_concurrency_config),
    ("DELETE", _PROVISIONED, lambda_service_concurrency.delete_provisioned_concurrency_config),
    ("POST", _LAYER_VERSIONS, lambda_service_layers.publish_layer_version),
    ("GET", _LAYER_VERSIONS, lambda_service_layers.list_layer_versions),
    ("GET", _LAYER_VERSION, lambda_service_layers.get_layer_version),
    ("DELETE", _LAYER_VERSION, lambda_service_layers.delete_layer_version),
    ("GET", _LAYERS, lambda_service_layers.list_layers),
    ("POST", f"{_LAYER_VERSION}/policy", lambda_service_layers.add_layer_version_permission),
    ("GET", f"{_LAYER_VERSION}/policy", lambda_service_layers.get_layer_version_policy),
    (
        "DELETE",
        f"{_LAYER_VERSION}/policy/{{StatementId}}",
        lambda_service_layers.remove_layer_version_permission,
    ),
    ("POST", _MAPPINGS, lambda_service_event_sources.create_event_source_mapping),
    ("GET", _MAPPINGS, lambda_service_event_sources.list_event_source_mappings),
    ("GET", _MAPPING, lambda_service_event_sources.get_event_source_mapping),
    ("PUT", _MAPPING, lambda_service_event_sources.update_event_source_mapping),
    ("DELETE", _MAPPING, lambda_service_event_sources.delete_event_source_mapping),
    ("POST", _TAGS, lambda_service_tags.tag_resource),
    ("DELETE", _TAGS, lambda_service_tags.untag_resource),
    ("GET", _TAGS, lambda_service_tags.list_tags),
    ("GET", "/2016-08-19/account-settings", lambda_service_concurrency.get_account_settings),
    ("POST", f"{_URL}/url", lambda_service_urls.create_function_url_config),
    ("GET", f"{_URL}/url", lambda_service_urls.get_function_url_config),
    ("PUT", f"{_URL}/url", lambda_service_urls.update_function_url_config),
    ("DELETE", f"{_URL}/url", lambda_service_urls.delete_function_url_config),
    ("GET", f"{_URL}/urls", lambda_service_urls.list_function_url_configs),
)

_SIGNING = "/2020-04-22/code-signing-configs"
_PROVIDERS = "/2025-11-30/capacity-providers"
_SCALING = "/2025-11-30/functions/{FunctionName}/function-scaling-config"
_DURABLE = "/2025-12-01/durable-executions/{DurableExecutionArn}"
_CALLBACK = "/2025-12-01/durable-execution-callbacks/{CallbackId}"

# What is left out, the methods and paths with which AWS offers it.
LEFT_OUT: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "response streaming (InvokeWithResponseStream)": (
        ("/2021-11-15/functions/{FunctionName}/response-streaming-invocations", ("POST",)),
    ),
    "code signing": (
        (_SIGNING, ("POST", "GET")),
        (f"{_SIGNING}/{{CodeSigningConfigArn}}", ("GET", "PUT", "DELETE")),
        (f"{_SIGNING}/{{CodeSigningConfigArn}}/functions", ("GET",)),
        ("/2020-06-30/functions/{FunctionName}/code-signing-config", ("PUT", "DELETE")),
    ),
    "runtime management (the version of a runtime stays as it is)": (
        ("/2021-07-20/functions/{FunctionName}/runtime-management-config", ("GET", "PUT")),
    ),
    "Lambda Managed Instances (capacity providers)": (
        (_PROVIDERS, ("POST", "GET")),
        (f"{_PROVIDERS}/{{CapacityProviderName}}", ("GET", "PUT", "DELETE")),
        (f"{_PROVIDERS}/{{CapacityProviderName}}/function-versions", ("GET",)),
        (_SCALING, ("GET", "PUT")),
    ),
    "durable functions": (
        (_DURABLE, ("GET", "DELETE")),
        *((f"{_DURABLE}/{part}", ("GET",)) for part in ("history", "state")),
        *((f"{_DURABLE}/{part}", ("POST",)) for part in ("checkpoint", "stop", "pause", "resume")),
        ("/2025-12-01/functions/{FunctionName}/durable-executions", ("GET",)),
        *((f"{_CALLBACK}/{part}", ("POST",)) for part in ("succeed", "fail", "heartbeat")),
    ),
    "whole resource policies (PutResourcePolicy; AddPermission is there)": (
        ("/2026-07-09/resource-policy/{ResourceArn}", ("GET", "PUT", "DELETE")),
    ),
}


def routes() -> Router[Route]:
    """All of them but Invoke and InvokeAsync, which do not wait for a table."""
    router: Router[Route] = Router()
    for method, path, run in _OPERATIONS:
        router.add(method, path, Route(_camel(run.__name__), run))
    for what, places in LEFT_OUT.items():
        for path, methods in places:
            for method in methods:
                router.add(method, path, Route("", left_out=what))
    return router
