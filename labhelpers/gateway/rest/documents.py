"""OpenAPI documents of REST APIs: reading JSON or YAML, following references, their documentation parts. Pure.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-import-api.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.yaml_text import read_yaml

Record = dict[str, Any]

EXTENSION = "x-amazon-apigateway-"
ANY_METHOD = f"{EXTENSION}any-method"
DOCUMENTATION = f"{EXTENSION}documentation"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", ANY_METHOD)

_DEPTH_MAX = 100


class BadDocument(Exception):
    """No document of OpenAPI 2.0 or 3.0; the message says why."""


def read_document(body: bytes) -> Record:
    """A document out of JSON or YAML. BadDocument."""
    text = body.decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = read_yaml(text)
        except ValueError as error:
            raise BadDocument(f"the document is neither JSON nor YAML: {error}") from error
    if not isinstance(found, dict):
        raise BadDocument("the document is no object")
    known = str(found.get("swagger") or "") == "2.0" or str(found.get("openapi") or "").startswith("3.0")
    if not known and not found.get(DOCUMENTATION):
        raise BadDocument("the document is neither OpenAPI 3.0 nor Swagger 2.0")
    # YAML's dates and numbers as names become what JSON has.
    try:
        document: Record = json.loads(json.dumps(found, default=str))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDocument(f"the document is no JSON: {error}") from error
    return document


def is_swagger(document: Mapping[str, Any]) -> bool:
    """Whether it is of version 2.0."""
    return str(document.get("swagger") or "") == "2.0"


def resolve(document: Mapping[str, Any], value: Any) -> Any:
    """What a value refers to (`{"$ref": "#/..."}`), or the value itself. BadDocument for a reference to nothing."""
    for _ in range(_DEPTH_MAX):
        if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
            return value
        reference = value["$ref"]
        if not reference.startswith("#/"):
            return value
        found: Any = document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or name not in found:
                raise BadDocument(f"{reference} refers to nothing")
            found = found[name]
        value = found
    raise BadDocument("a reference leads to itself")


def documentation_parts(document: Mapping[str, Any]) -> list[tuple[Record, Record]]:
    """Locations and properties of the documentation in a document's extension; and of its descriptions.

    With `x-amazon-apigateway-documentation` these parts count, without it the descriptions of the document.
    """
    extension = document.get(DOCUMENTATION)
    if isinstance(extension, dict):
        return [
            (dict(each["location"]), dict(each.get("properties") or {}))
            for each in extension.get("documentationParts") or ()
            if isinstance(each, dict) and isinstance(each.get("location"), dict)
        ]
    return list(_descriptions(document))


def _descriptions(document: Mapping[str, Any]) -> list[tuple[Record, Record]]:
    parts: list[tuple[Record, Record]] = []
    info = {k: v for k, v in (document.get("info") or {}).items() if k != "title"}
    if info.get("description"):
        parts.append(({"type": "API"}, {"info": info}))
    for path, item in (document.get("paths") or {}).items():
        for name, operation in (item or {}).items():
            if name not in METHODS or not isinstance(operation, dict):
                continue
            location = {"path": path, "method": "ANY" if name == ANY_METHOD else name.upper()}
            properties = {
                key: operation[key] for key in ("description", "summary", "tags") if operation.get(key)
            }
            if properties:
                parts.append(({"type": "METHOD", **location}, properties))
            for status, response in (operation.get("responses") or {}).items():
                if isinstance(response, dict) and response.get("description"):
                    place = {"type": "RESPONSE", **location, "statusCode": str(status)}
                    parts.append((place, {"description": response["description"]}))
    return parts


def as_bytes(document: Record, *, yaml: bool) -> bytes:
    """A document as JSON or YAML."""
    if yaml:
        from yaml import safe_dump

        text: str = safe_dump(json.loads(json.dumps(document)), sort_keys=False)
        return text.encode()
    return json.dumps(document, indent=2).encode()
