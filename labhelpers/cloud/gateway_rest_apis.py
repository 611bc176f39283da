"""REST APIs themselves, their tags, and the account's settings: API Gateway V1's operations of those names.

Answers and refusals as recorded from AWS (LocalStack's test_apigateway_api).
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    copied,
    invalid,
    is_true,
    not_found,
    not_in,
    replace_only,
    seconds_now,
    wrong_path,
)
from labhelpers.errors import NotEmulated
from labhelpers.gateway.rest.policy import unsupported_conditions
from labhelpers.gateway.rest.store import Record
from labhelpers.iam.documents import read_policy

TYPES = ("PRIVATE", "EDGE", "REGIONAL")
_COMPRESSION_MAX = 10_485_760
_KEPT = (
    "name description version binaryMediaTypes apiKeySource endpointConfiguration policy tags minimumCompressionSize "
    "disableExecuteApiEndpoint"
).split()
_TAG_ARN = re.compile(r"arn:aws[\w-]*:apigateway:[\w-]+::/(?P<path>.+)")


def create_rest_api(call: RestCall) -> Record:
    """CreateRestApi."""
    body = copied(call.body)
    _check_enums(body)
    if body.get("description") == "":
        raise bad_request("Description cannot be an empty string")
    if not body.get("name"):
        raise bad_request("API name cannot be empty")
    if body.get("cloneFrom"):
        raise NotEmulated("cloning REST APIs (cloneFrom)")
    record: Record = {name: body[name] for name in _KEPT if body.get(name) not in (None, [], {})}
    record["createdDate"] = seconds_now()
    record.setdefault("apiKeySource", "HEADER")
    record["disableExecuteApiEndpoint"] = bool(body.get("disableExecuteApiEndpoint"))
    if "minimumCompressionSize" in body:
        record["minimumCompressionSize"] = compression_size(body["minimumCompressionSize"])
    record["endpointConfiguration"] = endpoint_configuration(body.get("endpointConfiguration"))
    api = call.store.new_api(record)
    if "policy" in record:
        record["policy"] = policy_text(record["policy"], api.id, call)
    call.store.changed(api.id)
    return show(record, tags=False)


def _check_enums(body: Record) -> None:
    errors = []
    endpoint = body.get("endpointConfiguration") or {}
    if any(each not in TYPES for each in endpoint.get("types") or ()):
        shown = f"[{', '.join(map(str, endpoint['types']))}]"
        errors.append(
            f"Value '{shown}' at 'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, REGIONAL]]"
        )
    if endpoint.get("ipAddressType") not in (None, "ipv4", "dualstack"):
        member = "createRestApiInput.endpointConfiguration.ipAddressType"
        errors.append(not_in(endpoint["ipAddressType"], member, "[ipv4, dualstack]"))
    if body.get("apiKeySource") not in (None, "HEADER", "AUTHORIZER"):
        errors.append(not_in(body["apiKeySource"], "createRestApiInput.apiKeySource", "[AUTHORIZER, HEADER]"))
    if errors:
        raise invalid(errors)


def endpoint_configuration(given: Record | None) -> Record:
    """An API's endpoint configuration, completed. BadRequestException; NotEmulated for a private one."""
    given = given or {}
    types = given.get("types")
    if types == []:
        raise bad_request("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
    types = types or ["EDGE"]
    if len(types) > 1:
        raise bad_request("Cannot create an api with multiple Endpoint Types.")
    private = types == ["PRIVATE"]
    if private and given.get("ipAddressType") == "ipv4":
        raise bad_request("Only dualstack ipAddressType is supported for Private APIs.")
    if private or given.get("vpcEndpointIds"):
        raise NotEmulated("private REST APIs (endpoint type PRIVATE): there is no VPC")
    return {"types": list(types), "ipAddressType": given.get("ipAddressType") or "ipv4"}


def compression_size(value: Any) -> int:
    """From how many bytes on answers are compressed. BadRequestException."""
    error = bad_request("Invalid minimum compression size, must be between 0 and 10485760")
    try:
        size = int(str(value))
    except ValueError:
        raise error from None
    if isinstance(value, bool) or not 0 <= size <= _COMPRESSION_MAX:
        raise error
    return size


def policy_text(text: Any, api_id: str, call: RestCall) -> str:
    """A resource policy as it is kept: short resources made whole. BadRequestException, NotEmulated."""
    try:
        policy = json.loads(text)
    except (TypeError, ValueError):
        raise bad_request(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
        ) from None
    if not isinstance(policy, dict) or not isinstance(policy.get("Statement"), list | dict):
        raise bad_request(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
        )
    if left_out := unsupported_conditions(policy):
        raise NotEmulated(f"the condition {left_out[0]!r} in a REST API's resource policy")
    try:
        read_policy(policy)
    except ValueError:
        raise bad_request(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
        ) from None
    account = call.store.account
    prefix = f"arn:aws:execute-api:{account.region}:{account.id}:{api_id}"
    found = policy["Statement"]
    for statement in found if isinstance(found, list) else [found]:
        resource = statement.get("Resource")
        if isinstance(resource, list) and len(resource) == 1:
            resource = resource[0]
        if isinstance(resource, str) and resource.startswith("execute-api:/"):
            statement["Resource"] = prefix + resource.removeprefix("execute-api:")
    return json.dumps(policy, separators=(",", ":"))


def show(record: Record, *, tags: bool = True) -> Record:
    """An API as AWS answers it; `tags` also when there are none."""
    shown = {name: value for name, value in record.items() if value not in ([], None)}
    if tags:
        shown.setdefault("tags", {})
    elif not shown.get("tags"):
        shown.pop("tags", None)
    if isinstance(shown.get("policy"), str):
        # AWS: the policy comes back with its quotation marks escaped once more.
        shown["policy"] = shown["policy"].replace("\\", "\\\\").replace('"', '\\"')
    return shown


def get_rest_api(call: RestCall) -> Record:
    """GetRestApi."""
    return show(call.api.record)


def get_rest_apis(call: RestCall) -> Record:
    """GetRestApis."""
    return call.page([show(api.record, tags=False) for api in call.store.apis.values()])


def delete_rest_api(call: RestCall) -> None:
    """DeleteRestApi: with all that belongs to it, and its links to usage plans."""
    api_id = call.api.id
    del call.store.apis[api_id]
    for plan in call.store.plans.values():
        plan["apiStages"] = [each for each in plan["apiStages"] if each["apiId"] != api_id]
    call.store.changed(api_id)


def update_rest_api(call: RestCall) -> Record:
    """UpdateRestApi."""
    api = call.api
    record = copied(api.record)
    for patch in call.patches("UpdateRestApi"):
        _patch(record, patch, call)
    api.record = record
    call.changed()
    return show(record)


def _patch(record: Record, patch: Patch, call: RestCall) -> None:
    parts = patch.parts if patch.path else []
    name = parts[0] if parts else ""
    if name == "binaryMediaTypes" and len(parts) > 1:
        _patch_binary(record, patch, "/".join(parts[1:]))
    elif name == "endpointConfiguration" and len(parts) > 1:
        _patch_endpoint(record, patch, parts)
    elif name == "minimumCompressionSize" and len(parts) == 1:
        _only_replace(patch)
        if patch.value in (None, "", "null"):
            record.pop(name, None)
        else:
            record[name] = compression_size(patch.value)
    elif name == "description" and len(parts) == 1:
        if patch.op == "remove":
            record.pop(name, None)
        else:
            record[name] = patch.value
    elif (
        name in ("name", "apiKeySource", "disableExecuteApiEndpoint", "policy", "version") and len(parts) == 1
    ):
        _patch_plain(record, patch, name, call)
    else:
        raise wrong_path(patch)


def _only_replace(patch: Patch) -> None:
    if patch.op != "replace":
        raise replace_only()


def _patch_plain(record: Record, patch: Patch, name: str, call: RestCall) -> None:
    if name == "policy" and (patch.op == "remove" or not patch.value):
        record.pop(name, None)
        return
    _only_replace(patch)
    if name == "policy":
        record[name] = policy_text(patch.value, str(record["id"]), call)
    elif name == "disableExecuteApiEndpoint":
        record[name] = is_true(patch.value)
    elif name == "apiKeySource" and patch.value not in ("HEADER", "AUTHORIZER"):
        raise bad_request("Invalid ApiKeySourceType specified. Valid options are HEADER,AUTHORIZER")
    elif name == "name" and not patch.value:
        raise bad_request("API name cannot be empty")
    else:
        record[name] = patch.value


def _patch_binary(record: Record, patch: Patch, kind: str) -> None:
    types = list(record.get("binaryMediaTypes") or ())
    if patch.op == "replace":
        types = [each for each in types if each != kind] + [str(patch.value)]
    elif patch.op == "add" and kind not in types:
        types.append(kind)
    elif patch.op == "remove":
        types = [each for each in types if each != kind]
    record["binaryMediaTypes"] = types


def _patch_endpoint(record: Record, patch: Patch, parts: list[str]) -> None:
    configuration = record["endpointConfiguration"]
    if parts[1] == "ipAddressType":
        _only_replace(patch)
        if patch.value not in ("ipv4", "dualstack"):
            raise bad_request("ipAddressType must be either ipv4 or dualstack.")
        configuration["ipAddressType"] = patch.value
    elif parts[1] == "types":
        if patch.op not in ("add", "remove", "replace"):
            raise bad_request("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
        if patch.value not in TYPES:
            raise bad_request("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
        configuration.update(endpoint_configuration({**configuration, "types": [patch.value]}))
    elif parts[1] == "vpcEndpointIds":
        raise NotEmulated("private REST APIs (vpcEndpointIds): there is no VPC")
    else:
        raise wrong_path(patch)


# --- Tags ---


def _tagged(call: RestCall) -> Record:
    """The record that a tag operation's ARN names. NotFoundException."""
    arn = unquote(call["arn"])
    found = _TAG_ARN.fullmatch(arn)
    parts = found["path"].split("/") if found else []
    record: Record | None = None
    if parts[:1] == ["restapis"] and len(parts) in (2, 4):
        api = call.store.apis.get(parts[1])
        if api is not None and len(parts) == 2:
            record = api.record
        elif api is not None and parts[2] == "stages":
            record = api.stages.get(parts[3])
    elif parts[:1] == ["apikeys"] and len(parts) == 2:
        record = call.store.keys.get(parts[1])
    elif parts[:1] == ["usageplans"] and len(parts) == 2:
        record = call.store.plans.get(parts[1])
    if record is None:
        raise not_found("Invalid ARN specified in the request" if not found else f"Resource not found: {arn}")
    return record


def get_tags(call: RestCall) -> Record:
    """GetTags."""
    return {"tags": dict(_tagged(call).get("tags") or {})}


def tag_resource(call: RestCall) -> None:
    """TagResource."""
    record = _tagged(call)
    record["tags"] = {**(record.get("tags") or {}), **(call.body.get("tags") or {})}


def untag_resource(call: RestCall) -> None:
    """UntagResource."""
    record = _tagged(call)
    gone = set(call.queries.get("tagKeys", ()))
    record["tags"] = {name: value for name, value in (record.get("tags") or {}).items() if name not in gone}


# --- The account ---


def get_account(call: RestCall) -> Record:
    """GetAccount."""
    return call.store.account_settings


def update_account(call: RestCall) -> Record:
    """UpdateAccount. Logs need no role here; the role is kept."""
    settings = copied(call.store.account_settings)
    for patch in call.patches("UpdateAccount"):
        if patch.path == "/cloudwatchRoleArn":
            if patch.value and not re.fullmatch(r"arn:aws[\w-]*:iam::\d{12}:role/.+", patch.value):
                raise bad_request("The role ARN does not have required permissions configured.")
            settings["cloudwatchRoleArn"] = patch.value
        elif patch.path == "/features":
            if patch.op == "remove":
                raise bad_request("Usage Plans cannot be disabled once enabled")
        else:
            raise wrong_path(patch)
    call.store.account_settings = settings
    return settings
