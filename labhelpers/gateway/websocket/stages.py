"""The stages of WebSocket APIs that are in use, compiled once, each with its telemetry; dropped when they change."""

from __future__ import annotations

from dataclasses import dataclass

from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.v2.store import WEBSOCKET, ApiStore
from labhelpers.gateway.websocket.settings import Stage, compile_stage
from labhelpers.gateway.websocket.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Served:
    """A stage that is being served."""

    stage: Stage
    telemetry: Telemetry


class Stages:
    """Finds stages by API and name."""

    def __init__(self, store: ApiStore, around: GatewaySurroundings) -> None:
        self._store = store
        self._around = around
        self._served: dict[tuple[str, str], Served] = {}

    def owns(self, api_id: str) -> bool:
        """Whether this is a WebSocket API."""
        return self._store.is_of(api_id, WEBSOCKET)

    def find(self, api_id: str, name: str) -> Served | None:
        """A stage; None without such an API or stage, or when nothing has been deployed to it."""
        served = self._served.get((api_id, name))
        if served is not None:
            return served
        live = self._store.live(api_id, name) if self.owns(api_id) else None
        if live is None:
            return None
        stage = compile_stage(live, self._store.apis[api_id].record, self._around.account)
        served = self._served[api_id, name] = Served(stage, Telemetry(stage, self._around))
        return served

    def exists(self, api_id: str, name: str) -> bool:
        """Whether the API has such a stage at all."""
        api = self._store.find(api_id)
        return api is not None and name in api.stages

    def forget(self, api_id: str) -> None:
        """Something of this API has changed."""
        for key in [key for key in self._served if key[0] == api_id]:
            del self._served[key]
