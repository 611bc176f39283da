"""Models of REST APIs as checks of request bodies: JSON schema draft 4, with references to other models by their URLs.

docs.aws.amazon.com/apigateway/latest/developerguide/models-mappings-models.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

MODEL_URL = "https://apigateway.amazonaws.com/restapis/{api_id}/models/{name}"
Check = Callable[[Any], str | None]
_ERRORS_SHOWN = 20
_REFERENCE = re.compile(r"#.*|https://apigateway\.amazonaws\.com/restapis/[^/]+/models/[A-Za-z0-9]+")
MAPS_OF_SCHEMAS = ("properties", "patternProperties", "definitions", "dependencies")
_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "items")
_SCHEMAS = ("items", "additionalItems", "additionalProperties", "not")
KEYWORDS = frozenset(
    (
        *MAPS_OF_SCHEMAS,
        *_LISTS_OF_SCHEMAS,
        *_SCHEMAS,
        *"$schema id title description default $ref type format enum pattern required multipleOf".split(),
        *"maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength".split(),
        *"maxItems minItems uniqueItems maxProperties minProperties".split(),
    )
)


def make_checks(api_id: str, models: Mapping[str, Mapping[str, Any]]) -> Callable[[str], Check]:
    """A function that gives the check of a model by its name: None for a good document, else what is wrong with it."""
    made: dict[str, Check] = {}

    def check_of(name: str) -> Check:
        if name not in made:
            made[name] = _Check(api_id, models, name)
        return made[name]

    return check_of


class _Check:
    """The check of one model, compiled when it is first needed."""

    def __init__(self, api_id: str, models: Mapping[str, Mapping[str, Any]], name: str) -> None:
        self._api_id = api_id
        self._models = models
        self._name = name
        self._validator: Any = None

    def __call__(self, document: Any) -> str | None:
        from referencing.exceptions import Unresolvable

        try:
            if self._validator is None:
                self._validator = self._compile()
            errors: list[Any] = []
            for error in self._validator.iter_errors(document):
                errors.append(error)
                if len(errors) == _ERRORS_SHOWN:
                    break
        except (Unresolvable, RecursionError) as error:
            return f"[{error}]"
        if not errors:
            return None
        return "[" + ", ".join(_words(error) for error in errors) + "]"

    def _compile(self) -> Any:
        from referencing import Registry, Resource
        from referencing.jsonschema import DRAFT4

        resources = []
        for name, model in self._models.items():
            schema = read_schema(model.get("schema"))
            url = MODEL_URL.format(api_id=self._api_id, name=name)
            resources.append((url, Resource.from_contents(schema, default_specification=DRAFT4)))
        registry: Any = Registry().with_resources(resources)
        url = MODEL_URL.format(api_id=self._api_id, name=self._name)
        validators: Any = import_module("jsonschema.validators")  # It has no type hints.
        return validators.Draft4Validator({"$ref": url}, registry=registry)


def problems(schema: Any) -> list[str]:
    """What keeps a schema from being a model's, in API Gateway's words; empty for a good one."""
    validators: Any = import_module("jsonschema.validators")
    found = []
    unknown = sorted({name for part in _parts(schema) for name in part if name not in KEYWORDS})
    if unknown:
        names = json.dumps(unknown, separators=(",", ":"))
        found.append(f"Invalid model schema specified. Unsupported keyword(s): {names}")
    else:
        try:
            validators.Draft4Validator.check_schema(schema)
            for part in _parts(schema):
                re.compile(part.get("pattern", ""))
                for name in part.get("patternProperties", ()):
                    re.compile(name)
        except Exception as error:  # noqa: BLE001 - whatever the library makes of a bad schema
            reason = str(getattr(error, "message", error))[:200]
            found.append(f"Invalid model schema specified: {reason}")
    references = [part["$ref"] for part in _parts(schema) if "$ref" in part]
    if not all(isinstance(each, str) and _REFERENCE.fullmatch(each) for each in references):
        found.append("Model reference must be in canonical form")
    return found


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema and all schemas in it."""
    rest = [schema]
    while rest:
        part = rest.pop()
        if isinstance(part, dict):
            yield part
            for name, value in part.items():
                if name in MAPS_OF_SCHEMAS and isinstance(value, dict):
                    rest.extend(value.values())
                elif name in _LISTS_OF_SCHEMAS and isinstance(value, list):
                    rest.extend(value)
                elif name in _SCHEMAS:
                    rest.append(value)


def read_schema(text: Any) -> Any:
    """A model's schema; one that is no JSON checks nothing."""
    try:
        schema = json.loads(text or "{}")
    except ValueError:
        return {}
    return schema if isinstance(schema, dict) else {}


def _words(error: Any) -> str:
    """An error as API Gateway's validator words the common ones."""
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"object has missing required properties ({json.dumps(missing, separators=(',', ':'))})"
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        found = _type_name(error.instance)
        allowed = json.dumps(wanted, separators=(",", ":"))
        return f"instance type ({found}) does not match any allowed primitive type (allowed: {allowed})"
    return str(error.message)[:300]


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "string"),
        (list, "array"),
    ):
        if isinstance(value, kind):
            return name
    return "object"
