"""Integrations and integration responses of REST APIs: API Gateway V1's operations of those names."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from labhelpers import limits
from labhelpers.cloud.gateway_rest_call import (
    Patch,
    RestCall,
    bad_request,
    copied,
    invalid,
    not_found,
    not_in,
    patch_map,
    wrong_path,
)
from labhelpers.cloud.gateway_rest_methods import check_status, show_integration
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.gateway.rest.parameters import read_source
from labhelpers.gateway.rest.store import Record

_TYPES = ("HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS")
_ARN = re.compile(r"arn:aws[\w-]*:.*", re.DOTALL)
_AWS_URI = re.compile(r"arn:aws[\w-]*:apigateway:[\w-]+:[\w.-]+:(?:path|action)/.*", re.DOTALL)
_S3 = re.compile(r"arn:aws[\w-]*:apigateway:[\w-]+:s3:")
_MEDIA_TYPE = re.compile(r"[\w.+*$-]+/[\w.+*-]+(?:\s*;.*)?|\$default")
_PASSTHROUGH = ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")
_HANDLING = ("CONVERT_TO_BINARY", "CONVERT_TO_TEXT")
_MAPPING = (
    "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
    "[Invalid mapping expression {what}: {text}]"
)


def put_integration(call: RestCall) -> Record:
    """PutIntegration."""
    body = call.body
    if body.get("type") not in _TYPES:
        allowed = "[HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS]"
        raise invalid([not_in(body.get("type"), "putIntegrationInput.type", allowed)])
    resource, method = call.resource, call.method
    record = new_integration(body, str(resource["id"]), method)
    old = method.get("methodIntegration") or {}
    if old.get("integrationResponses"):
        record["integrationResponses"] = old["integrationResponses"]
    method["methodIntegration"] = record
    call.changed()
    return show_integration({k: v for k, v in record.items() if k != "integrationResponses"})


def new_integration(body: Record, resource_id: str, method: Record) -> Record:
    """An integration's record, its type being known. BadRequestException, NotEmulated."""
    kind = body["type"]
    record: Record = {"type": kind}
    if kind != "MOCK":
        record["httpMethod"] = str(body.get("httpMethod") or "").upper()
        record["uri"] = _stored_uri(str(body.get("uri") or ""))
    for name in ("credentials", "contentHandling", "connectionId", "tlsConfig"):
        if body.get(name):
            record[name] = body[name]
    if kind in ("HTTP", "HTTP_PROXY"):
        record["connectionType"] = body.get("connectionType") or "INTERNET"
    for name in ("requestParameters", "requestTemplates"):
        if body.get(name):
            record[name] = _texts(body[name])
    record["passthroughBehavior"] = body.get("passthroughBehavior") or "WHEN_NO_MATCH"
    timeout = body.get("timeoutInMillis")
    record["timeoutInMillis"] = limits.REST_API_TIMEOUT_MS_MAX if timeout is None else timeout
    record["cacheNamespace"] = body.get("cacheNamespace") or resource_id
    record["cacheKeyParameters"] = list(body.get("cacheKeyParameters") or ())
    check_integration(record, method)
    return record


def _stored_uri(uri: str) -> str:
    """AWS (recorded): it forgives a function's path that begins with two slashes, and shows one."""
    return uri.replace(":lambda:path//", ":lambda:path/", 1)


def _texts(given: Any) -> Record:
    """A map of texts. SerializationException, as AWS's Java words it."""
    if not isinstance(given, dict):
        raise AwsError("SerializationException", "Expected a map", 400)
    for value in given.values():
        if isinstance(value, bool):
            raise _serialization("class java.lang.Boolean")
        if isinstance(value, int | float):
            raise _serialization("class com.amazon.coral.value.json.numbers.TruncatingBigNumber")
    return copied(given)


def _serialization(kind: str) -> AwsError:
    return AwsError("SerializationException", f"{kind} can not be converted to an String", 400)


def check_integration(record: Record, method: Record) -> None:
    """What an integration must be. BadRequestException; NotEmulated for what this lab leaves out."""
    kind, uri = record["type"], str(record.get("uri") or "")
    if kind != "MOCK" and not record.get("httpMethod"):
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    if kind == "AWS_PROXY" and _S3.match(uri):
        raise bad_request(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations."
        )
    if record.get("connectionType") == "VPC_LINK":
        raise NotEmulated("VPC links (private integrations)")
    if record.get("tlsConfig"):
        raise NotEmulated("TLS settings of integrations (tlsConfig)")
    if kind in ("HTTP", "HTTP_PROXY") and not _is_http(uri):
        raise bad_request("Invalid HTTP endpoint specified for URI")
    if kind in ("AWS", "AWS_PROXY"):
        _check_aws(kind, uri, record)
    _check_settings(record)
    check_templates(record.get("requestTemplates") or {})
    for target, expression in (record.get("requestParameters") or {}).items():
        _check_request_mapping(target, expression, method)


def _is_http(uri: str) -> bool:
    try:
        found = urlsplit(uri)
    except ValueError:
        return False
    return found.scheme in ("http", "https") and bool(found.netloc)


def _check_aws(kind: str, uri: str, record: Record) -> None:
    if not _ARN.fullmatch(uri):
        raise bad_request("Invalid ARN specified in the request")
    if not _AWS_URI.fullmatch(uri):
        raise bad_request("AWS ARN for integration must contain path or action")
    if kind == "AWS" and _S3.match(uri) and not record.get("credentials"):
        raise bad_request("Role ARN must be specified for AWS integrations")
    service = uri.split(":")[4]
    if kind == "AWS_PROXY" and service != "lambda":
        raise NotEmulated(f"AWS_PROXY integrations with {service}")


def _check_settings(record: Record) -> None:
    timeout = record["timeoutInMillis"]
    least, most = limits.REST_API_TIMEOUT_MS_MIN, limits.REST_API_TIMEOUT_MS_MAX
    if not isinstance(timeout, int) or not least <= timeout <= most:
        raise bad_request(f"Timeout should be between {least} ms and {most} ms")
    if record["passthroughBehavior"] not in _PASSTHROUGH:
        raise bad_request("Invalid passthrough behavior specified")
    if record.get("contentHandling") not in (None, *_HANDLING):
        raise invalid(
            [
                not_in(
                    record["contentHandling"],
                    "putIntegrationInput.contentHandling",
                    "[CONVERT_TO_BINARY, CONVERT_TO_TEXT]",
                )
            ]
        )


def check_templates(templates: Record) -> None:
    """Content types of templates. BadRequestException."""
    for kind in templates:
        if not _MEDIA_TYPE.fullmatch(kind):
            raise bad_request(
                f"Validation Result: warnings : [], errors : [Invalid content type specified: {kind}]"
            )


def _check_request_mapping(target: str, expression: Any, method: Record) -> None:
    if not re.fullmatch(r"integration\.request\.(?:header|path|querystring)\.\S+", target):
        raise bad_request(_MAPPING.format(what="specified", text=target))
    if read_source(str(expression)) is None or str(expression).startswith("integration."):
        raise bad_request(_MAPPING.format(what="specified", text=expression))
    found = re.fullmatch(r"method\.request\.(?:multivalue)?(path|querystring|header)\.(.+)", str(expression))
    if found and f"method.request.{found[1]}.{found[2]}" not in (method.get("requestParameters") or {}):
        raise bad_request(_MAPPING.format(what="parameter specified", text=expression))


def get_integration(call: RestCall) -> Record:
    """GetIntegration."""
    return show_integration(call.integration)


def delete_integration(call: RestCall) -> None:
    """DeleteIntegration."""
    _ = call.integration
    del call.method["methodIntegration"]
    call.changed()


def update_integration(call: RestCall) -> Record:
    """UpdateIntegration."""
    record = copied(call.integration)
    for patch in call.patches("UpdateIntegration"):
        _patch_integration(record, patch)
    check_integration(record, call.method)
    call.method["methodIntegration"] = record
    call.changed()
    return show_integration(record)


_PLAIN = (
    "uri httpMethod passthroughBehavior cacheNamespace contentHandling credentials connectionType connectionId"
).split()


def _patch_integration(record: Record, patch: Patch) -> None:
    parts = patch.parts if patch.path else []
    name = parts[0] if parts else ""
    if name in ("requestTemplates", "requestParameters") and len(parts) == 2:
        patch_map(record, name, parts[1], patch)
    elif name == "cacheKeyParameters" and len(parts) == 2:
        keys = [each for each in record.get(name, []) if each != parts[1]]
        record[name] = keys if patch.op == "remove" else [*keys, parts[1]]
    elif name == "timeoutInMillis" and len(parts) == 1:
        value = str(patch.value or "")
        record[name] = int(value) if value.isdigit() else -1
    elif name in _PLAIN and len(parts) == 1:
        if patch.op == "remove" or not patch.value:
            record.pop(name, None)
            if name == "passthroughBehavior":
                record[name] = "WHEN_NO_MATCH"
        else:
            record[name] = patch.value
    else:
        raise wrong_path(patch)


# --- Integration responses ---


def put_integration_response(call: RestCall) -> Record:
    """PutIntegrationResponse."""
    status = check_status(call)
    _response_templates(
        call.body.get("responseTemplates")
    )  # AWS looks at them before it looks for the method.
    method, integration = call.method, call.integration
    record = new_integration_response(status, call.body, method)
    integration.setdefault("integrationResponses", {})[status] = record
    call.changed()
    return record


def new_integration_response(status: str, body: Record, method: Record) -> Record:
    """An integration response's record. BadRequestException."""
    templates = _response_templates(body.get("responseTemplates"))
    record: Record = {"statusCode": status}
    if "selectionPattern" in body:
        record["selectionPattern"] = body["selectionPattern"]
    if "responseParameters" in body:
        record["responseParameters"] = _texts(body["responseParameters"])
    if templates is not None:
        record["responseTemplates"] = templates
    if body.get("contentHandling"):
        record["contentHandling"] = body["contentHandling"]
    _check_response(record, method)
    return record


def _response_templates(given: Any) -> Record | None:
    """Response templates as they are kept: what is empty is null."""
    if given is None:
        return None
    templates = _texts(given)
    check_templates(templates)
    return {kind: text or None for kind, text in templates.items()}


def _check_response(record: Record, method: Record) -> None:
    declared = method.get("methodResponses", {}).get(record["statusCode"])
    for target, expression in (record.get("responseParameters") or {}).items():
        if not re.fullmatch(r"method\.response\.header\.\S+", target):
            raise bad_request(_MAPPING.format(what="specified", text=target))
        if read_source(str(expression)) is None or str(expression).startswith("method."):
            raise bad_request(_MAPPING.format(what="specified", text=expression))
        if declared is not None and target not in (declared.get("responseParameters") or {}):
            raise bad_request(_MAPPING.format(what="parameter specified", text=target))
    if record.get("contentHandling") not in (None, *_HANDLING):
        member = "putIntegrationResponseInput.contentHandling"
        raise invalid([not_in(record["contentHandling"], member, "[CONVERT_TO_BINARY, CONVERT_TO_TEXT]")])


def _found_response(call: RestCall) -> Record:
    found: Record | None = call.integration.get("integrationResponses", {}).get(call["status"])
    if found is None:
        raise not_found("Invalid Response status code specified")
    return found


def get_integration_response(call: RestCall) -> Record:
    """GetIntegrationResponse."""
    check_status(call)
    return _found_response(call)


def delete_integration_response(call: RestCall) -> None:
    """DeleteIntegrationResponse. AWS answers a wrong method as a wrong integration here."""
    check_status(call)
    methods = call.resource.get("resourceMethods", {})
    if call["method"].upper() not in methods:
        raise not_found("Invalid Integration identifier specified")
    _found_response(call)
    responses = call.integration["integrationResponses"]
    del responses[call["status"]]
    if not responses:
        del call.integration["integrationResponses"]
    call.changed()


def update_integration_response(call: RestCall) -> Record:
    """UpdateIntegrationResponse."""
    check_status(call, call.patch_errors("UpdateIntegrationResponse"))
    record = copied(_found_response(call))
    for patch in call.patches("UpdateIntegrationResponse"):
        parts = patch.parts if patch.path else []
        if len(parts) == 2 and parts[0] in ("responseTemplates", "responseParameters"):
            patch_map(record, parts[0], parts[1], patch)
        elif parts in (["selectionPattern"], ["contentHandling"]):
            if patch.op == "remove" or patch.value is None:
                record.pop(parts[0], None)
            else:
                record[parts[0]] = patch.value
        else:
            raise wrong_path(patch)
    _check_response(record, call.method)
    call.integration["integrationResponses"][call["status"]] = record
    call.changed()
    return record
