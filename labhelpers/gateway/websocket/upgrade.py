"""How a client connects: the handshake, who it is, `$connect`, and then the connection itself.

AWS: until `$connect` has ended the upgrade request waits, and @connections answers 410. A refusal is its HTTP status.
docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from labhelpers import limits
from labhelpers.gateway import identifiers
from labhelpers.gateway.data_plane import PREFIX, Visit
from labhelpers.gateway.exchange import GatewayRequest, message_answer
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import ACCOUNT, Throttle
from labhelpers.gateway.websocket import handshake
from labhelpers.gateway.websocket.answers import FORBIDDEN, THROTTLED, refusal_answer
from labhelpers.gateway.websocket.authorization import Gate
from labhelpers.gateway.websocket.connection import Connection, Ending
from labhelpers.gateway.websocket.connections import Connections
from labhelpers.gateway.websocket.events import CONNECT_EVENT, Client, Occasion
from labhelpers.gateway.websocket.frames import CloseCode
from labhelpers.gateway.websocket.integrations import Integrations, Ran
from labhelpers.gateway.websocket.mapping import Source
from labhelpers.gateway.websocket.refused import Refused
from labhelpers.gateway.websocket.settings import CONNECT, Route
from labhelpers.gateway.websocket.stages import Served
from labhelpers.gateway.websocket.takeover import TakenOver, take_over
from labhelpers.gateway.websocket.traffic import Traffic

_NEW_CONNECTIONS = Throttle(limits.WEBSOCKET_NEW_CONNECTIONS_RATE, int(limits.WEBSOCKET_NEW_CONNECTIONS_RATE))
_FORBIDDEN = message_answer(403, FORBIDDEN, (("x-amzn-ErrorType", "ForbiddenException"),))


class Upgrades:
    """Lets clients connect, for all WebSocket APIs."""

    def __init__(
        self,
        around: GatewaySurroundings,
        gate: Gate,
        integrations: Integrations,
        connections: Connections,
        traffic: Traffic,
    ) -> None:
        self._around = around
        self._gate = gate
        self._integrations = integrations
        self._connections = connections
        self._traffic = traffic

    async def open(self, visit: Visit, served: Served | None) -> web.StreamResponse:
        """The answer to a request for a stage's address: a connection, or why there is none."""
        if visit.web_request.can_read_body:
            response = visit.answer(message_answer(400, "Bad Request"))
            response.force_close()
            return response
        request = await visit.read(identifiers.extended_request_id())
        if served is None or served.stage.disabled or not handshake.is_upgrade(request):
            return visit.answer(_FORBIDDEN)
        if (wrong := handshake.refusal(request)) is not None:
            return visit.answer(wrong)
        occasion = self._occasion(served, request)
        route = served.stage.routes.get(CONNECT)
        try:
            self._admit(served, route)
            if route is not None:
                authorized = await self._gate.check(served.stage, route, occasion)
                client = occasion.client
                identity = {**authorized.identity, **client.identity}
                client = replace(client, identity=identity, authorizer=authorized.authorizer)
                occasion = replace(occasion, client=client)
        except Refused as refused:
            return self._refuse(visit, served, occasion, route, None, refused)
        return await self._connect(visit, served, occasion, route)

    def _occasion(self, served: Served, request: GatewayRequest) -> Occasion:
        stage = served.stage
        agent = request.header("user-agent")
        identity = {"userAgent": agent} if agent else {}
        client = Client(
            identifiers.extended_request_id(),
            stage.api_id,
            stage.name,
            # AWS: a name below amazonaws.com. Here: the lab's own address, since names below `localhost` do not resolve
            # everywhere. `https://{domainName}/{stage}` leads back here: the same port speaks TLS too.
            f"{urlsplit(self._around.endpoint_url()).netloc}{PREFIX}{stage.api_id}",
            int(request.received_at * 1000),
            request,
            {**identity, "sourceIp": request.source_ip},
        )
        return Occasion(
            client, CONNECT_EVENT, CONNECT, request.request_id, request.received_at, stage.variables
        )

    def _admit(self, served: Served, route: Route | None) -> None:
        """Refused when too many connect at once."""
        stage, admits = served.stage, self._around.throttles.admits
        kind = "TooManyRequestsException"
        if not admits("websocket connections", _NEW_CONNECTIONS) or not admits("account", ACCOUNT):
            raise Refused(429, THROTTLED, "The account's rate of new connections is exceeded", kind)
        limit = route.throttle if route is not None else None
        if limit is not None and not admits((stage.api_id, stage.name, CONNECT), limit):
            raise Refused(429, THROTTLED, "The rate of $connect is exceeded", kind)

    async def _connect(
        self, visit: Visit, served: Served, occasion: Occasion, route: Route | None
    ) -> web.StreamResponse:
        ran: Ran | None = None
        if route is not None and (integration := route.integration) is not None:
            source = Source(occasion, self._around.account.id)
            arn = f"{served.stage.arn}/{CONNECT}"
            ran = await self._integrations.run(integration, source, arn, replies=False)
            if ran.refusal or not ran.is_success:
                return self._refuse(visit, served, occasion, route, ran, None)
        served.telemetry.record(occasion, route, ran, None, "websocket.connected")
        return self._take_over(visit, occasion, ran)

    def _take_over(self, visit: Visit, occasion: Occasion, ran: Ran | None) -> web.StreamResponse:
        connection = Connection(
            occasion.client,
            now=self._around.clock.now,
            handle=self._traffic.on_message,
            ended=self._traffic.on_end,
        )
        taken = take_over(visit.web_request)
        if taken is None:
            connection.never_open(Ending(CloseCode.ABNORMAL, "", by_client=True))
            return TakenOver()
        transport, early = taken
        chosen = next((v for n, v in ran.headers if n.lower() == "sec-websocket-protocol"), "") if ran else ""
        self._connections.add(connection)
        connection.open(transport, handshake.acceptance(occasion.client.request, chosen), early)
        return TakenOver()

    def _refuse(
        self,
        visit: Visit,
        served: Served,
        occasion: Occasion,
        route: Route | None,
        ran: Ran | None,
        refused: Refused | None,
    ) -> web.StreamResponse:
        served.telemetry.record(occasion, route, ran, refused, "websocket.refused")
        if refused is not None:
            status, message, kind = refused.status, refused.message, refused.kind
        elif ran is not None and ran.refusal:
            status, message, kind = ran.status, ran.refusal, "InternalServerErrorException"
        else:
            # AWS: the status of `$connect`'s integration is the client's. What of its body and headers comes through
            # is not documented; browsers show none of it. Here: the gateway's own words.
            status, message, kind = ran.status if ran else 500, _word(ran.status if ran else 500), ""
        connection_id = occasion.client.connection_id
        return visit.answer(refusal_answer(status, message, kind, connection_id, occasion.request_id))


def _word(status: int) -> str:
    return {401: "Unauthorized", 403: FORBIDDEN, 429: THROTTLED}.get(status, "Connection refused")
