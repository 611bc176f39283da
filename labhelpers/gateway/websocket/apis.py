"""The data plane of all WebSocket APIs of a lab: puts its parts together, and tells upgrades from @connections.

Registered with `data_plane`; reads the settings from the V2 store, once for each change of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from labhelpers.gateway import identifiers
from labhelpers.gateway.data_plane import Visit
from labhelpers.gateway.exchange import message_answer
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.v2.store import ApiStore
from labhelpers.gateway.websocket.api_keys import ApiKeys
from labhelpers.gateway.websocket.authorization import Gate
from labhelpers.gateway.websocket.connections import Connections
from labhelpers.gateway.websocket.integrations import Integrations
from labhelpers.gateway.websocket.management import Management, connection_id_in
from labhelpers.gateway.websocket.stages import Stages
from labhelpers.gateway.websocket.traffic import Traffic
from labhelpers.gateway.websocket.upgrade import Upgrades


class WebSocketApis:
    """All WebSocket APIs. `before_connect` is awaited before a client connects: it makes what functions then need."""

    def __init__(
        self,
        store: ApiStore,
        around: GatewaySurroundings,
        api_keys: ApiKeys,
        before_connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._around = around
        self._before_connect = before_connect
        self.connections = Connections(around.clock)
        self._stages = Stages(store, around)
        integrations = Integrations(around)
        traffic = Traffic(around, self._stages, self.connections, integrations, api_keys)
        self._upgrades = Upgrades(around, Gate(around, api_keys), integrations, self.connections, traffic)
        self._management = Management(around, self._stages, self.connections)
        store.on_change.append(self._changed)

    def owns(self, api_id: str) -> bool:
        """Whether this is a WebSocket API."""
        return self._stages.owns(api_id)

    async def handle(self, visit: Visit) -> web.StreamResponse:
        """The answer to a request for a WebSocket API's address."""
        stage, _, rest = visit.path[1:].partition("/")
        if connection_id := connection_id_in(rest):
            return await self._manage(visit, connection_id, visit.api_id, stage)
        if self._before_connect is not None:
            await self._before_connect()
        served = self._stages.find(visit.api_id, stage) if not rest else None
        return await self._upgrades.open(visit, served)

    async def handle_unaddressed(self, visit: Visit) -> web.StreamResponse:
        """The answer to `/@connections/{id}` at the lab's own address: the connection is looked for in all APIs."""
        connection_id = connection_id_in(visit.path[1:])
        if not connection_id:
            return visit.answer(message_answer(404, "Not Found"))
        return await self._manage(visit, connection_id)

    async def _manage(
        self, visit: Visit, connection_id: str, api_id: str = "", stage: str = ""
    ) -> web.StreamResponse:
        request = await visit.read(identifiers.request_id())
        return visit.answer(self._management.answer(request, connection_id, api_id, stage))

    def _changed(self, api_id: str) -> None:
        """Settings of an API have changed: connections of a stage that is gone end."""
        self._stages.forget(api_id)
        if api_id not in self._store.apis:
            self._around.throttles.forget(api_id)
        self.connections.close_all(
            lambda connection: (
                connection.client.api_id == api_id
                and not self._stages.exists(api_id, connection.client.stage)
            )
        )

    async def close(self) -> None:
        """End all connections."""
        await self.connections.end()
