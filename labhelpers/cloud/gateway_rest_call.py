"""A control call of API Gateway V1 as its operations see it: path, query, body, patch operations; and AWS's errors.

docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qs

from labhelpers.cloud.protocol import AwsRequest
from labhelpers.errors import VALIDATION, AwsError
from labhelpers.gateway.rest.store import Record, RestApi, RestStore

T = TypeVar("T")

OPS = "[add, remove, move, test, replace, copy]"
_PAGE_ITEMS, _PAGE_ITEMS_MAX = 25, 500


def bad_request(message: str) -> AwsError:
    """BadRequestException, 400."""
    return AwsError("BadRequestException", message, 400)


def not_found(message: str) -> AwsError:
    """NotFoundException, 404."""
    return AwsError("NotFoundException", message, 404)


def conflict(message: str) -> AwsError:
    """ConflictException, 409."""
    return AwsError("ConflictException", message, 409)


def invalid(errors: Sequence[str]) -> AwsError:
    """ValidationException, 400, of one or more violated constraints."""
    plural = "s" if len(errors) > 1 else ""
    return AwsError(VALIDATION, f"{len(errors)} validation error{plural} detected: {'; '.join(errors)}", 400)


def not_in(value: Any, member: str, allowed: str) -> str:
    """The words for a value that is none of an enumeration's."""
    return f"Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy enum value set: {allowed}"


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch operation. `path` as given; `parts` are its parts, unescaped."""

    op: str
    path: str | None
    value: Any
    source: str = ""

    @property
    def parts(self) -> list[str]:
        return [unescape(part) for part in (self.path or "").split("/")[1:]]


def unescape(text: str) -> str:
    """A part of a JSON pointer: `~1` is a slash, `~0` a tilde."""
    return text.replace("~1", "/").replace("~0", "~")


@dataclass(slots=True)
class RestCall:
    """One call. `names` are the variables of its path."""

    request: AwsRequest
    names: Mapping[str, str]
    store: RestStore
    query: dict[str, str] = field(default_factory=dict)
    queries: dict[str, list[str]] = field(default_factory=dict)
    _body: Record | None = None

    def __post_init__(self) -> None:
        self.queries = parse_qs(self.request.query, keep_blank_values=True)
        self.query = {name: values[0] for name, values in self.queries.items()}

    def __getitem__(self, name: str) -> str:
        return self.names[name]

    @property
    def body(self) -> Record:
        """The body, a JSON object. AwsError SerializationException."""
        if self._body is None:
            try:
                found = json.loads(self.request.body or b"{}")
            except (ValueError, RecursionError) as error:
                raise AwsError("SerializationException", f"Invalid JSON: {error}", 400) from error
            if not isinstance(found, dict):
                raise AwsError("SerializationException", "The body must be a JSON object", 400)
            self._body = {name: value for name, value in found.items() if value is not None}
        return self._body

    # --- What it is about ---

    @property
    def api(self) -> RestApi:
        """The API. NotFoundException."""
        found = self.store.apis.get(self["api"])
        if found is None:
            raise not_found(f"Invalid API identifier specified {self.store.account.id}:{self['api']}")
        return found

    def api_or(self, error: AwsError) -> RestApi:
        """The API, or that error: several operations answer a wrong API as a wrong part of it."""
        found = self.store.apis.get(self["api"])
        if found is None:
            raise error
        return found

    @property
    def resource(self) -> Record:
        """The resource. NotFoundException, also without such an API."""
        error = not_found("Invalid Resource identifier specified")
        found = self.api_or(error).resources.get(self["resource"])
        if found is None:
            raise error
        return found

    @property
    def method(self) -> Record:
        """The method. NotFoundException."""
        methods: dict[str, Record] = self.resource.get("resourceMethods", {})
        if (found := methods.get(self["method"].upper())) is None:
            raise not_found("Invalid Method identifier specified")
        return found

    @property
    def integration(self) -> Record:
        """The integration. NotFoundException."""
        found: Record | None = self.method.get("methodIntegration")
        if found is None:
            raise not_found("Invalid Integration identifier specified")
        return found

    # --- Patches and pages ---

    def patches(self, operation: str) -> list[Patch]:
        """The patch operations; `operation` is AWS's name. ValidationException for one that is none."""
        errors = self.patch_errors(operation)
        if errors:
            raise invalid(errors)
        return [
            Patch(each.get("op", ""), each.get("path"), each.get("value"), each.get("from") or "")
            for each in self.body.get("patchOperations") or ()
        ]

    def patch_errors(self, operation: str) -> list[str]:
        """The words for every operation that is none."""
        name = operation[:1].lower() + operation[1:]
        return [
            not_in(each.get("op"), f"{name}Input.patchOperations.{at}.member.op", OPS)
            for at, each in enumerate(self.body.get("patchOperations") or (), 1)
            if each.get("op") not in ("add", "remove", "move", "test", "replace", "copy")
        ]

    def page(self, items: Sequence[Any]) -> Record:
        """A page of a list: `limit` and `position` of the query say which."""
        limit = int(self.query.get("limit") or 0) or _PAGE_ITEMS
        if not 0 < limit <= _PAGE_ITEMS_MAX:
            limit = _PAGE_ITEMS_MAX
        position = self.query.get("position") or "0"
        if not position.isdigit():
            raise bad_request("Invalid position specified")
        start = int(position)
        page: Record = {"item": list(items[start : start + limit])}
        if start + limit < len(items):
            page["position"] = str(start + limit)
        return page

    def changed(self) -> None:
        """Tell the data plane that the API is not as it was."""
        self.store.changed(self["api"])


Operation = Callable[["RestCall"], Any]


# --- Patches of the stricter kind, which names what may be replaced ---


def check_patches(patches: Sequence[Patch], allowed: Sequence[str]) -> None:
    """Only `replace` of one of `allowed`. BadRequestException as resources, models and validators answer."""
    for patch in patches:
        if patch.op != "replace":
            raise bad_request(
                f"Invalid patch path  '{patch.path}' specified for op '{patch.op}'. Please choose supported operations"
            )
        if patch.path not in allowed:
            raise bad_request(
                f"Invalid patch path  '{patch.path}' specified for op 'replace'. "
                f"Must be one of: [{', '.join(allowed)}]"
            )


def wrong_path(patch: Patch) -> AwsError:
    """BadRequestException as methods, APIs and gateway responses answer."""
    return bad_request(f"Invalid patch path {'null' if patch.path is None else patch.path}")


def replace_only() -> AwsError:
    """BadRequestException for a member that can only be replaced."""
    return bad_request("Invalid patch operation specified. Must be one of: [replace]")


def patch_map(record: Record, name: str, key: str, patch: Patch, missing: str = "") -> None:
    """Add, replace or remove one entry of a map; an empty map goes. `missing`: what NotFoundException says."""
    entries = record.get(name)
    entries = {} if not isinstance(entries, dict) else entries
    if patch.op == "remove":
        if key not in entries and missing:
            raise not_found(missing)
        entries.pop(key, None)
    elif patch.op in ("add", "replace"):
        if patch.op == "replace" and missing and key not in entries:
            raise not_found(missing)
        entries[key] = patch.value
    else:
        raise bad_request("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
    if entries:
        record[name] = entries
    else:
        record.pop(name, None)


def is_true(value: Any) -> bool:
    """A patch's value as a boolean."""
    return str(value).lower() == "true"


def seconds_now() -> int:
    """The time of records: real epoch seconds."""
    return int(time.time())


def copied(record: T) -> T:
    """A copy, so that what is answered or tried is not what is kept."""
    return copy.deepcopy(record)
