"""Function URLs: an HTTPS address of a function or an alias, with its kind of authorization and its CORS settings.

docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
"""

from __future__ import annotations

import os
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from labhelpers.errors import RESOURCE_CONFLICT, RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.constraints import Text
from labhelpers.functions.names import FunctionReference

if TYPE_CHECKING:
    from labhelpers.functions.registry import FunctionRegistry
    from labhelpers.functions.versions import Function

NONE, AWS_IAM = "NONE", "AWS_IAM"
BUFFERED, RESPONSE_STREAM = "BUFFERED", "RESPONSE_STREAM"
# An alias's name: AWS takes neither numbers nor $LATEST here.
URL_QUALIFIER = Text(1, 128, r"((?!^\d+$)^[0-9a-zA-Z-_]+$)")


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """One function URL. `qualifier` is an alias or empty; `cors` is AWS's `Cors`; `created` and `modified` are texts.

    `invoke_mode` is empty unless it was asked for: AWS's answers only have it then.
    """

    id: str
    function: str
    qualifier: str
    function_arn: str
    auth_type: str
    created: str
    modified: str
    cors: Mapping[str, Any] | None = None
    invoke_mode: str = ""


def create(
    registry: FunctionRegistry,
    reference: FunctionReference,
    auth_type: str,
    *,
    cors: Mapping[str, Any] | None = None,
    invoke_mode: str = "",
) -> FunctionUrl:
    """A new URL for a function or an alias. AwsError 404, 409 when it has one."""
    function = _function(registry, reference)
    arn = registry.arn(reference.name, reference.qualifier)
    if reference.qualifier in function.urls:
        raise AwsError(
            RESOURCE_CONFLICT,
            f"Failed to create function url config for [functionArn = {arn}]. "
            "Error message:  FunctionUrlConfig exists for this Lambda function",
            409,
        )
    now = _timestamp(registry.now())
    made = FunctionUrl(
        _new_id(), reference.name, reference.qualifier, arn, auth_type, now, now, cors, invoke_mode
    )
    function.urls[reference.qualifier] = made
    registry.url_owners[made.id] = function
    return made


def update(
    registry: FunctionRegistry,
    reference: FunctionReference,
    *,
    auth_type: str | None = None,
    cors: Mapping[str, Any] | None = None,
    invoke_mode: str | None = None,
) -> FunctionUrl:
    """Change what is given; an empty `cors` takes the CORS settings away. AwsError 404."""
    function = _function(registry, reference)
    old = function.urls.get(reference.qualifier)
    if old is None:
        raise _missing()
    changed = replace(
        old,
        auth_type=auth_type or old.auth_type,
        cors=old.cors if cors is None else cors or None,
        invoke_mode=invoke_mode or old.invoke_mode,
        modified=_timestamp(registry.now()),
    )
    function.urls[reference.qualifier] = changed
    return changed


def get(registry: FunctionRegistry, reference: FunctionReference) -> FunctionUrl:
    """The URL of a function or an alias; AwsError 404."""
    function = registry.find(reference.name)
    found = function.urls.get(reference.qualifier) if function else None
    if found is None:
        raise _missing()
    return found


def delete(registry: FunctionRegistry, reference: FunctionReference) -> None:
    """Take a URL away, at once and for good: its address is never given again. AwsError 404."""
    found = get(registry, reference)
    del registry.url_owners.pop(found.id).urls[reference.qualifier]


def of_function(registry: FunctionRegistry, name: str) -> list[FunctionUrl]:
    """All URLs of a function, its own first and those of its aliases by name. AwsError 404."""
    function = registry.find(name)
    if function is None:
        raise _no_function()
    return [function.urls[qualifier] for qualifier in sorted(function.urls)]


def find(registry: FunctionRegistry, url_id: str) -> FunctionUrl | None:
    """The URL of that id, as long as its function is there."""
    owner = registry.url_owners.get(url_id)
    if owner is None or registry.find(owner.name) is not owner:
        return None
    return next((url for url in owner.urls.values() if url.id == url_id), None)


def _function(registry: FunctionRegistry, reference: FunctionReference) -> Function:
    function = registry.find(reference.name)
    if function is None or function.target(reference.qualifier) is None:
        raise _no_function()
    return function


def _no_function() -> AwsError:
    return AwsError(RESOURCE_NOT_FOUND, "Function does not exist", 404)


def _missing() -> AwsError:
    return AwsError(RESOURCE_NOT_FOUND, "The resource you requested does not exist.", 404)


def _new_id() -> str:
    return b32encode(os.urandom(20)).decode().lower()


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
