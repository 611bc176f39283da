"""What the lab knows of one DB instance, and the view of it that others get. No work is done here."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.database.postgres import ADDRESS, Server
from labhelpers.database.rules import NewInstance
from labhelpers.database.states import State

RESTARTS = 5  # So many in a short time, and nobody tries again.
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class InstanceView:
    """A DB instance as RDS describes it now. `port` is 0 while there is no endpoint; `pending_class` "" if none."""

    new: NewInstance
    arn: str
    state: State
    address: str
    port: int
    instance_class: str
    pending_class: str
    exports_log: bool
    resource_id: str
    created_at: float
    settings: Mapping[str, str]
    tags: Mapping[str, str]


class Instance:
    """What the lab knows of one DB instance."""

    def __init__(self, new: NewInstance, arn: str, server: Server, created_at: float) -> None:
        self.new = new
        self.arn = arn
        self.server = server
        self.state = State.CREATING
        self.instance_class = new.instance_class
        self.pending_class = ""
        self.exports_log = new.exports_log
        self.port = 0
        self.created_at = created_at
        self.settings = dict(new.settings)
        self.tags = dict(new.tags)
        self.resource_id = "db-" + "".join(secrets.choice(_BASE32) for _ in range(26))
        self.changed = asyncio.Event()
        self.work: asyncio.Task[None] | None = None
        self.restarts: deque[float] = deque(maxlen=RESTARTS)

    def view(self) -> InstanceView:
        return InstanceView(
            new=self.new,
            arn=self.arn,
            state=self.state,
            address=ADDRESS,
            port=self.port,
            instance_class=self.instance_class,
            pending_class=self.pending_class,
            exports_log=self.exports_log,
            resource_id=self.resource_id,
            created_at=self.created_at,
            settings=dict(self.settings),
            tags=dict(self.tags),
        )
