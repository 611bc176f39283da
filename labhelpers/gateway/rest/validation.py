"""Request validators: required parameters, then the body by its model.

AWS looks for a parameter that is there and not blank, and names all that are missing: headers, path, query string.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html
"""

from __future__ import annotations

import json

from labhelpers.gateway.rest.gateway_responses import GatewayError, Kind
from labhelpers.gateway.rest.media import media_type
from labhelpers.gateway.rest.run import Run
from labhelpers.gateway.rest.settings import Method

_JSON = "application/json"


def validate(run: Run, method: Method) -> None:
    """GatewayError BAD_REQUEST_PARAMETERS or BAD_REQUEST_BODY when the method's validator refuses the request."""
    validator = method.validator
    if validator is None:
        return
    if validator.parameters and (missing := [n for place, n in method.required if not _has(run, place, n)]):
        names = ", ".join(missing)
        raise GatewayError(
            Kind.BAD_REQUEST_PARAMETERS,
            f"Missing required request parameters: [{names}]",
            log=f"Request parameters are missing: [{names}]",
            detail=f"[{names}]",
        )
    if validator.body and method.models:
        _check_body(run, method)


def _has(run: Run, place: str, name: str) -> bool:
    if place == "header":
        return bool((run.first(name) or "").strip())
    if place == "path":
        return bool(run.path_variables.get(name))
    return any(value.strip() for value in run.query.get(name, ()))


def _check_body(run: Run, method: Method) -> None:
    kind = media_type(run.first("content-type")) or _JSON
    check = method.models.get(kind) or method.models.get("$default")
    if check is None:
        return  # AWS: a content type without a model is not checked.
    try:
        document = json.loads(run.request.body or b"{}")
    except (ValueError, RecursionError):
        wrong: str | None = "[the body is no JSON]"
    else:
        wrong = check(document)
    if wrong is not None:
        raise GatewayError(
            Kind.BAD_REQUEST_BODY,
            "Invalid request body",
            log=f"Request body does not match model schema for content type {kind}: {wrong}",
            detail=wrong,
        )
