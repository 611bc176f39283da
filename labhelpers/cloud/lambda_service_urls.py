"""Operations on function URLs: Create-, Get-, Update-, Delete- and ListFunctionUrlConfig(s)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.cloud.lambda_service_answers import answer, page
from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.lambda_service_requests import SHORT_PAGE
from labhelpers.cloud.protocol import AwsResponse
from labhelpers.functions import function_urls
from labhelpers.functions.constraints import Choice, Constraint, Flag, ListOf, Number, Structure, Text, check
from labhelpers.functions.function_urls import URL_QUALIFIER, FunctionUrl
from labhelpers.functions.names import FUNCTION_NAME, FunctionReference
from labhelpers.gateway.function_url.address import address

_HEADERS = ListOf(Text(0, 1024, ".*"), 0, 100)
_ONE: dict[str, Constraint] = {"Qualifier": URL_QUALIFIER, "FunctionName": FUNCTION_NAME}
_SETTINGS: dict[str, Constraint] = {
    "AuthType": Choice((function_urls.NONE, function_urls.AWS_IAM)),
    "Cors": Structure(
        {
            "AllowCredentials": Flag(),
            "AllowHeaders": _HEADERS,
            "AllowMethods": ListOf(Text(0, 6, ".*"), 0, 6),
            "AllowOrigins": ListOf(Text(1, 253, ".*"), 0, 100),
            "ExposeHeaders": _HEADERS,
            "MaxAge": Number(0, 86_400),
        }
    ),
    # In this order, as recorded from AWS.
    "InvokeMode": Choice((function_urls.RESPONSE_STREAM, function_urls.BUFFERED)),
}
_CREATE = Structure({**_ONE, **_SETTINGS}, required=("AuthType",))
_UPDATE = Structure({**_ONE, **_SETTINGS})
_GET = Structure(_ONE)
_QUALIFIER = Structure({"Qualifier": URL_QUALIFIER})
_LIST = Structure({"FunctionName": FUNCTION_NAME, **SHORT_PAGE})


def create_function_url_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """CreateFunctionUrlConfig."""
    members = call.read(_CREATE)
    made = function_urls.create(
        lab.registry,
        _reference(lab, members),
        members["AuthType"],
        cors=members.get("Cors"),
        invoke_mode=members.get("InvokeMode") or "",
    )
    shown = _shown(made, call)
    del shown["LastModifiedTime"]
    return answer(shown, 201)


def get_function_url_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """GetFunctionUrlConfig."""
    return answer(_shown(function_urls.get(lab.registry, _reference(lab, call.read(_GET))), call))


def update_function_url_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """UpdateFunctionUrlConfig."""
    members = call.read(_UPDATE)
    changed = function_urls.update(
        lab.registry,
        _reference(lab, members),
        auth_type=members.get("AuthType"),
        cors=members.get("Cors"),
        invoke_mode=members.get("InvokeMode"),
    )
    return answer(_shown(changed, call))


def delete_function_url_config(lab: ControlPlane, call: Call) -> AwsResponse:
    """DeleteFunctionUrlConfig."""
    function_urls.delete(lab.registry, _reference(lab, call.read(_GET)))
    return answer(status=204)


def list_function_url_configs(lab: ControlPlane, call: Call) -> AwsResponse:
    """ListFunctionUrlConfigs."""
    members = call.read(_LIST)
    found = function_urls.of_function(lab.registry, lab.reference(members).name)
    shown, more = page(
        found, _arn, lambda url: _shown(url, call), members.get("Marker"), members.get("MaxItems")
    )
    return answer({"FunctionUrlConfigs": shown, **more})


def _reference(lab: ControlPlane, members: Mapping[str, Any]) -> FunctionReference:
    """A function or an alias of it, also where the name says which; versions have no URL."""
    reference = lab.reference(members)
    check(_QUALIFIER, {"Qualifier": reference.qualifier or None})
    return reference


def _arn(url: FunctionUrl) -> str:
    return url.function_arn


def _shown(url: FunctionUrl, call: Call) -> dict[str, Any]:
    """A FunctionUrlConfig; the address is one that works here."""
    shown: dict[str, Any] = {
        "FunctionUrl": address(f"http://{call.request.host}", url.id),
        "FunctionArn": url.function_arn,
        "AuthType": url.auth_type,
        "CreationTime": url.created,
        "LastModifiedTime": url.modified,
    }
    if url.cors is not None:
        shown["Cors"] = dict(url.cors)
    if url.invoke_mode:
        shown["InvokeMode"] = url.invoke_mode
    return shown
