"""What clients send, on its way through routes to integrations and back: messages, and the end of connections.

Called by connections, one message of a client at a time; different clients' run at once.
"""

from __future__ import annotations

import time
import traceback

from labhelpers import limits
from labhelpers.gateway import identifiers
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import ACCOUNT
from labhelpers.gateway.websocket.answers import FORBIDDEN, THROTTLED, refusal_text
from labhelpers.gateway.websocket.api_keys import ApiKeys
from labhelpers.gateway.websocket.authorization import key_of
from labhelpers.gateway.websocket.connection import Connection, Ending, Gone, SlowClient
from labhelpers.gateway.websocket.connections import Connections
from labhelpers.gateway.websocket.events import (
    DISCONNECT_EVENT,
    MESSAGE_EVENT,
    Client,
    MessageEvents,
    Occasion,
)
from labhelpers.gateway.websocket.integrations import SERVER_ERROR, Integrations, Ran, failed
from labhelpers.gateway.websocket.mapping import Source
from labhelpers.gateway.websocket.refused import Refused
from labhelpers.gateway.websocket.selection import read_json, request_lookup
from labhelpers.gateway.websocket.settings import DEFAULT, DISCONNECT, Route, Stage
from labhelpers.gateway.websocket.stages import Served, Stages


class Traffic:
    """Handles what connections report, for all WebSocket APIs."""

    def __init__(
        self,
        around: GatewaySurroundings,
        stages: Stages,
        connections: Connections,
        integrations: Integrations,
        api_keys: ApiKeys,
    ) -> None:
        self._around = around
        self._stages = stages
        self._connections = connections
        self._integrations = integrations
        self._api_keys = api_keys

    async def on_message(self, connection: Connection, data: bytes) -> None:
        """A message of a client's. Whatever fails is told to it or to the journal."""
        client = connection.client
        served = self._stages.find(client.api_id, client.stage)
        if served is None:
            return
        try:
            await self._handle(connection, served, data.decode())
        except Exception as error:  # noqa: BLE001 - the client gets a message, the journal the traceback
            self._note_failure(error, served.stage.arn)
            request_id = identifiers.extended_request_id()
            self._send(connection, served, refusal_text(SERVER_ERROR, connection.id, request_id), request_id)

    async def _handle(self, connection: Connection, served: Served, text: str) -> None:
        stage = served.stage
        route = stage.route(stage.selection.evaluate(request_lookup(read_json(text))))
        occasion = Occasion(
            connection.client,
            MESSAGE_EVENT,
            route.key if route is not None else DEFAULT,
            identifiers.extended_request_id(),
            time.time(),
            stage.variables,
            body=text,
            message_id=identifiers.extended_request_id(),
        )
        ran: Ran | None = None
        refused: Refused | None = None
        try:
            admitted = self._admit(stage, route, connection.client)
            ran = await self._integrate(served, admitted, occasion, connection.events)
        except Refused as no:
            refused = no
        refusal = refused.message if refused is not None else ran.refusal if ran is not None else ""
        reply = b""
        if refusal:
            reply = refusal_text(refusal, connection.id, occasion.request_id)
        elif ran is not None and route is not None and route.replies:
            reply = ran.body
        if reply:
            self._send(connection, served, reply, occasion.request_id, occasion.route_key)
        served.telemetry.record(occasion, route, ran, refused, "websocket.message")
        await connection.drained()

    def _admit(self, stage: Stage, route: Route | None, client: Client) -> Route:
        """The route, if there is one and it is not too busy. Refused."""
        if route is None:
            reason = "No route matches, and there is no $default"
            raise Refused(403, FORBIDDEN, reason, "ForbiddenException")
        if route.api_key_required:
            self._api_keys.check(key_of(client), stage.api_id, stage.name, route.key)
        admits = self._around.throttles.admits
        if not admits("account", ACCOUNT):
            raise Refused(429, THROTTLED, "The account's rate is exceeded", "TooManyRequestsException")
        if route.throttle is not None and not admits((stage.api_id, stage.name, route.key), route.throttle):
            raise Refused(429, THROTTLED, f"The rate of {route.key} is exceeded", "TooManyRequestsException")
        return route

    async def _integrate(
        self, served: Served, route: Route, occasion: Occasion, events: MessageEvents | None = None
    ) -> Ran:
        integration = route.integration
        if integration is None:
            return failed(500, SERVER_ERROR, f"The route {route.key} has no integration")
        write = (lambda: events.write(occasion)) if events is not None else None
        source = Source(occasion, self._around.account.id, write)
        arn = f"{served.stage.arn}/{route.key}"
        ran = await self._integrations.run(integration, source, arn, replies=route.replies)
        if route.replies and len(ran.body) > limits.WEBSOCKET_MESSAGE_BYTES_MAX:
            message = f"Execution failed: the reply has {len(ran.body)} bytes, more than a message's 128 KB"
            ran = failed(500, SERVER_ERROR, message, ran.latency_ms, by_backend=True)
        return ran

    def _send(
        self, connection: Connection, served: Served, reply: bytes, request_id: str, route_key: str = DEFAULT
    ) -> None:
        """Send a reply, unless the client has gone or does not read: then it would not get it anyway."""
        try:
            connection.send(_as_text(reply))
        except (Gone, SlowClient) as error:
            why = "has gone" if isinstance(error, Gone) else "does not read what it is sent"
            self._around.journal.failure(
                f"a reply was dropped: the client {why}",
                served.stage.arn,
                request_id=request_id,
                connection=connection.id,
            )
            return
        served.telemetry.sent()
        served.telemetry.note_sent(request_id, connection.id, route_key, len(reply), "route")

    # --- The end of a connection ---

    async def on_end(self, connection: Connection, ending: Ending) -> None:
        """A connection has ended, and all its messages are handled: `$disconnect`, if there is one."""
        self._connections.remove(connection)
        client = connection.client
        served = self._stages.find(client.api_id, client.stage)
        if served is None:
            self._note_orphan(connection, ending)
            return
        occasion = Occasion(
            client,
            DISCONNECT_EVENT,
            DISCONNECT,
            identifiers.extended_request_id(),
            time.time(),
            served.stage.variables,
            disconnect_code=ending.code,
            disconnect_reason=ending.reason,
        )
        route = served.stage.routes.get(DISCONNECT)
        ran: Ran | None = None
        try:
            if route is not None and route.integration is not None:
                ran = await self._integrate(served, route, occasion)
        except Exception as error:  # noqa: BLE001 - nobody waits for it; the journal has the traceback
            self._note_failure(error, served.stage.arn)
        served.telemetry.record(occasion, route, ran, None, "websocket.disconnected")

    def _note_orphan(self, connection: Connection, ending: Ending) -> None:
        """The stage of a connection is gone, and its `$disconnect` with it: the journal hears of the end."""
        client, account = connection.client, self._around.account
        self._around.journal.append(
            "websocket.disconnected",
            f"arn:aws:execute-api:{account.region}:{account.id}:{client.api_id}/{client.stage}",
            api=client.api_id,
            stage=client.stage,
            connection=client.connection_id,
            route=DISCONNECT,
            code=ending.code,
            reason=ending.reason,
        )

    def _note_failure(self, error: Exception, arn: str) -> None:
        self._around.journal.failure(
            f"the gateway failed at a WebSocket event: {error!r}",
            arn,
            traceback="".join(traceback.format_exception(error)),
        )


def _as_text(data: bytes) -> bytes:
    """A text message must be UTF-8; what is not becomes U+FFFD."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data
