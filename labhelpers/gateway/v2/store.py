"""The HTTP and WebSocket APIs of a lab, with all that belongs to them. Event loop only; `control` makes the checks.

A deployment is what was there when it was made; a stage serves its deployment and nothing newer. So no record is ever
changed: a change puts another in its place.
The data planes read `live` and hear of changes through `on_change`.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.gateway.v2.members import Record, not_found
from labhelpers.model import Account

HTTP, WEBSOCKET = "HTTP", "WEBSOCKET"
DEFAULT_STAGE = "$default"
_ID_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a deployment holds, by id: records with AWS's member names in JSON (`routeKey`, `integrationUri`, ...).

    `route_responses` and `integration_responses` are by the id of their route and integration, then by their own.
    """

    cors: Mapping[str, Any] | None
    routes: Mapping[str, Mapping[str, Any]]
    integrations: Mapping[str, Mapping[str, Any]]
    authorizers: Mapping[str, Mapping[str, Any]]
    models: Mapping[str, Mapping[str, Any]]
    route_responses: Mapping[str, Mapping[str, Mapping[str, Any]]]
    integration_responses: Mapping[str, Mapping[str, Mapping[str, Any]]]
    route_selection_expression: str
    api_key_selection_expression: str


@dataclass(slots=True)
class Deployment:
    """A deployment's own record, and the snapshot that it is."""

    record: Record
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Live:
    """What a stage serves now: the stage's settings and its deployment's snapshot."""

    stage: Mapping[str, Any]
    snapshot: Snapshot


@dataclass(slots=True)
class Api:
    """One API. All records are dicts with AWS's names; the ids are keys and members."""

    record: Record
    routes: dict[str, Record] = field(default_factory=dict)
    integrations: dict[str, Record] = field(default_factory=dict)
    authorizers: dict[str, Record] = field(default_factory=dict)
    models: dict[str, Record] = field(default_factory=dict)
    route_responses: dict[str, dict[str, Record]] = field(default_factory=dict)
    integration_responses: dict[str, dict[str, Record]] = field(default_factory=dict)
    stages: dict[str, Record] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.record["apiId"])

    @property
    def protocol(self) -> str:
        return str(self.record["protocolType"])

    @property
    def is_http(self) -> bool:
        return self.protocol == HTTP

    def snapshot(self) -> Snapshot:
        """All that a deployment covers. Records are replaced, never changed, so it is enough to hold on to them."""
        return Snapshot(
            self.record.get("corsConfiguration"),
            dict(self.routes),
            dict(self.integrations),
            dict(self.authorizers),
            dict(self.models),
            {route: dict(responses) for route, responses in self.route_responses.items()},
            {integration: dict(responses) for integration, responses in self.integration_responses.items()},
            str(self.record["routeSelectionExpression"]),
            str(self.record["apiKeySelectionExpression"]),
        )


class ApiStore:
    """All V2 APIs of one account. `on_change` hears an API's id after anything of it changed, also its end."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.apis: dict[str, Api] = {}
        self.on_change: list[Callable[[str], None]] = []

    def find(self, api_id: str) -> Api | None:
        return self.apis.get(api_id)

    def get(self, api_id: str) -> Api:
        """An API; AwsError NotFoundException."""
        if (api := self.apis.get(api_id)) is None:
            raise not_found(f"Invalid API identifier specified {self.account.id}:{api_id}")
        return api

    def is_of(self, api_id: str, protocol: str) -> bool:
        """Whether there is such an API of that protocol (`HTTP`, `WEBSOCKET`)."""
        api = self.apis.get(api_id)
        return api is not None and api.record["protocolType"] == protocol

    def live(self, api_id: str, stage_name: str) -> Live | None:
        """What a stage serves; None without such an API or stage, or when nothing has been deployed to it."""
        api = self.apis.get(api_id)
        stage = api.stages.get(stage_name) if api else None
        if api is None or stage is None:
            return None
        deployment = api.deployments.get(stage.get("deploymentId", ""))
        return Live(stage, deployment.snapshot) if deployment else None

    def changed(self, api_id: str) -> None:
        """Tell the data planes that something of this API is not as it was."""
        for listener in self.on_change:
            listener(api_id)


def new_id(length: int) -> str:
    """An id as API Gateway makes them: lower-case letters and digits, beginning with a letter."""
    return secrets.choice(string.ascii_lowercase) + "".join(
        secrets.choice(_ID_LETTERS) for _ in range(length - 1)
    )
