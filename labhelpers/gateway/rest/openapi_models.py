"""Schemas of OpenAPI documents as models of a REST API, and back: references and keywords differ. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html (REST APIs)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.rest.documents import Record
from labhelpers.gateway.rest.schemas import KEYWORDS, MAPS_OF_SCHEMAS, MODEL_URL

_PLACES = ("#/definitions/", "#/components/schemas/")


def model_of(api_id: str, schema: Mapping[str, Any]) -> Record:
    """What CreateModel takes for a schema: other models by their URLs, without the words that only OpenAPI has."""
    model: Record = {
        "schema": json.dumps(_to_model(api_id, schema), indent=2),
        "contentType": "application/json",
    }
    if isinstance(schema.get("description"), str):
        model["description"] = schema["description"]
    return model


def _to_model(api_id: str, value: Any, *, names: bool = False) -> Any:
    """`names`: the keys are names of properties and the like, not keywords."""
    if isinstance(value, list):
        return [_to_model(api_id, each) for each in value]
    if not isinstance(value, dict):
        return value
    found: Record = {}
    for name, each in value.items():
        if names:
            found[name] = _to_model(api_id, each)
        elif name == "$ref" and (model := referred_model(each)) is not None:
            found[name] = MODEL_URL.format(api_id=api_id, name=model)
        elif name in ("enum", "default"):
            found[name] = each
        elif name in KEYWORDS:
            found[name] = _to_model(api_id, each, names=name in MAPS_OF_SCHEMAS)
    return found


def referred_model(reference: Any) -> str | None:
    """The name of the model that a reference in a document is to."""
    for place in _PLACES:
        if isinstance(reference, str) and reference.startswith(place):
            return reference.removeprefix(place).replace("~1", "/").replace("~0", "~")
    return None


def schema_of(api_id: str, model: Mapping[str, Any], place: str) -> Any:
    """A model's schema for a document whose schemas are at `place`, for example `#/definitions/`."""
    try:
        schema = json.loads(model.get("schema") or "{}")
    except ValueError:
        return {}
    return _with_references(schema, MODEL_URL.format(api_id=api_id, name=""), place)


def _with_references(value: Any, prefix: str, place: str) -> Any:
    if isinstance(value, list):
        return [_with_references(each, prefix, place) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_references(each, prefix, place) for name, each in value.items() if name != "$schema"}
    reference = found.get("$ref")
    if isinstance(reference, str) and reference.startswith(prefix):
        found["$ref"] = place + reference.removeprefix(prefix)
    return found
