"""The REST APIs of a lab with all that belongs to them. Event loop only; no checks: those are the control plane's.

Records are dicts with AWS's member names. A deployment is a frozen copy of what was there when it was made; a stage
serves its deployment and nothing newer. The data plane hears of changes through `on_change`.
"""

from __future__ import annotations

import copy
import secrets
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.model import Account

Record = dict[str, Any]
_ID_LETTERS = string.ascii_lowercase + string.digits

DEFAULT_MODELS: Mapping[str, Record] = {
    "Empty": {
        "name": "Empty",
        "description": "This is a default empty schema model",
        "contentType": "application/json",
        "schema": '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n'
        '  "title" : "Empty Schema",\n  "type" : "object"\n}',
    },
    "Error": {
        "name": "Error",
        "description": "This is a default error schema model",
        "contentType": "application/json",
        "schema": '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n'
        '  "title" : "Error Schema",\n  "type" : "object",\n'
        '  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}',
    },
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a deployment covers, by id (models by name, gateway responses by type)."""

    api: Mapping[str, Any]
    resources: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    validators: Mapping[str, Mapping[str, Any]]
    authorizers: Mapping[str, Mapping[str, Any]]
    gateway_responses: Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Deployment:
    """A deployment's own record, and the snapshot that it is."""

    record: Record
    snapshot: Snapshot


@dataclass(slots=True)
class RestApi:
    """One API. Resources hold their methods (`resourceMethods`), these their integration, as AWS answers them."""

    record: Record
    resources: dict[str, Record] = field(default_factory=dict)
    models: dict[str, Record] = field(default_factory=dict)
    validators: dict[str, Record] = field(default_factory=dict)
    authorizers: dict[str, Record] = field(default_factory=dict)
    gateway_responses: dict[str, Record] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    stages: dict[str, Record] = field(default_factory=dict)
    documentation_parts: dict[str, Record] = field(default_factory=dict)
    documentation_versions: dict[str, tuple[Record, dict[str, Record]]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.record["id"])

    @property
    def root_id(self) -> str:
        return str(self.record["rootResourceId"])

    def snapshot(self) -> Snapshot:
        """A copy of all that a deployment covers."""
        return Snapshot(
            *copy.deepcopy(
                (
                    self.record,
                    self.resources,
                    self.models,
                    self.validators,
                    self.authorizers,
                    self.gateway_responses,
                )
            )
        )

    def children(self, resource_id: str) -> list[Record]:
        return [each for each in self.resources.values() if each.get("parentId") == resource_id]

    def subtree(self, resource_id: str) -> Iterator[Record]:
        """A resource and all below it, parents first."""
        waiting = [self.resources[resource_id]]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(self.children(one["id"]))

    def set_paths(self, resource_id: str) -> None:
        """Write the paths of a resource and of all below it anew."""
        for one in self.subtree(resource_id):
            if "parentId" in one:
                parent = self.resources[one["parentId"]]["path"]
                one["path"] = f"{parent.rstrip('/')}/{one['pathPart']}"

    def methods(self) -> Iterator[tuple[Record, Record]]:
        """Every method with its resource."""
        for resource in self.resources.values():
            for method in resource.get("resourceMethods", {}).values():
                yield resource, method

    def add_resource(self, parent_id: str, path_part: str) -> Record:
        """A new resource below another; nothing is checked."""
        record: Record = {"id": new_id(6), "parentId": parent_id, "pathPart": path_part}
        self.resources[record["id"]] = record
        self.set_paths(record["id"])
        return record


class RestStore:
    """All REST APIs, API keys and usage plans of one account.

    `on_change` hears an API's id after anything of it changed, also its end. Keys and plans take effect at once.
    `has_other_stage` knows the stages of other kinds of APIs that usage plans may have.
    """

    def __init__(
        self, account: Account, has_other_stage: Callable[[str, str], bool] = lambda api_id, stage: False
    ) -> None:
        self.account = account
        self._has_other_stage = has_other_stage
        self.apis: dict[str, RestApi] = {}
        self.keys: dict[str, Record] = {}
        self.plans: dict[str, Record] = {}
        self.plan_keys: dict[str, dict[str, Record]] = {}
        self.account_settings: Record = {
            "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
            "features": ["UsagePlans"],
            "apiKeyVersion": "4",
        }
        self.on_change: list[Callable[[str], None]] = []

    def new_api(self, record: Record) -> RestApi:
        """An API with its root resource and the two models that every API has; `record` is completed."""
        record["id"] = new_id(10)
        root: Record = {"id": new_id(10), "path": "/"}
        record["rootResourceId"] = root["id"]
        api = RestApi(record, resources={root["id"]: root})
        for name, model in DEFAULT_MODELS.items():
            api.models[name] = {"id": new_id(6), **model}
        self.apis[api.id] = api
        return api

    def has_stage(self, api_id: str, stage: str) -> bool:
        """Whether there is such a stage that a usage plan may have."""
        api = self.apis.get(api_id)
        return stage in api.stages if api is not None else self._has_other_stage(api_id, stage)

    def changed(self, api_id: str) -> None:
        """Tell that something of this API is not as it was."""
        for listener in self.on_change:
            listener(api_id)


def new_id(length: int) -> str:
    """An id as API Gateway makes them: lower-case letters and digits, beginning with a letter."""
    return secrets.choice(string.ascii_lowercase) + "".join(
        secrets.choice(_ID_LETTERS) for _ in range(length - 1)
    )
