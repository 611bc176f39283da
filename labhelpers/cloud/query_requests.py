"""Requests in the query protocol to services that speak JSON otherwise, and their answers. Pure.

AWS: Systems Manager takes both, and REST APIs' integrations call it so (recorded): `Action=GetParameter&Name=x` in the
query or as a form is answered `{"GetParameterResponse": {"GetParameterResult": ..., "ResponseMetadata": ...}}`, with
null for members that are not there.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

SERVICES = frozenset({"ssm"})


def read(query: str, body: bytes, *, is_form: bool) -> dict[str, str] | None:
    """The parameters of a request, `Action` among them; None for what is no request of this protocol."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if is_form:
        pairs += parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    found = {name: value for name, value in pairs if name != "Version"}
    return found if "Action" in found and (is_form or len(found) > 1) else None


def as_json(service: str, parameters: dict[str, str]) -> bytes | None:
    """The same request as JSON; None for an action that the service does not have."""
    model, action = _model(service), parameters["Action"]
    if action not in model.operation_names:
        return None
    shape = model.operation_model(action).input_shape
    return json.dumps(_structure(shape, "", parameters) if shape is not None else {}).encode()


def answer(service: str, action: str, status: int, body: bytes, request_id: str) -> bytes:
    """A JSON answer as this protocol words it."""
    made = json.loads(body or b"{}")
    if status >= 400:
        code = str(made.get("__type", "")).rpartition("#")[2]
        message = made.get("message") or made.get("Message")
        error = {"Code": code, "Message": message, "Type": "Sender" if status < 500 else "Receiver"}
        return json.dumps({"Error": error, "RequestId": request_id}).encode()
    shape = _model(service).operation_model(action).output_shape
    result = _filled(shape, made) if shape is not None else None
    inner = {f"{action}Result": result, "ResponseMetadata": {"RequestId": request_id}}
    return json.dumps({f"{action}Response": inner}).encode()


@cache
def _model(service: str) -> Any:
    from botocore.session import get_session

    return get_session().get_service_model(service)


def _structure(shape: Any, prefix: str, parameters: dict[str, str]) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        value = _value(member, prefix + name, parameters)
        if value is not None:
            found[name] = value
    return found


def _value(shape: Any, name: str, parameters: dict[str, str]) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, f"{name}.", parameters) or None
    if kind == "list":
        items: list[Any] = []
        while (item := _value(shape.member, f"{name}.member.{len(items) + 1}", parameters)) is not None:
            items.append(item)
        return items or None
    text = parameters.get(name)
    if text is None:
        return None
    if kind == "boolean":
        return text.lower() == "true"
    return int(text) if kind in ("integer", "long") and text.lstrip("-").isdigit() else text


def _filled(shape: Any, value: Any) -> Any:
    """The value with null for what is not there, its members in the order of their names."""
    if value is None or shape.type_name not in ("structure", "list"):
        return value
    if shape.type_name == "list":
        return [_filled(shape.member, each) for each in value]
    return {name: _filled(member, value.get(name)) for name, member in sorted(shape.members.items())}
