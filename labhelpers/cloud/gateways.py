"""Builds API Gateway for the composition root: what all kinds of API share, the kinds, and their control planes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from labhelpers.clock import Clock
from labhelpers.cloud.authentication import Authenticator
from labhelpers.cloud.certificates import Certificates
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.gateway_aws_calls import AwsCalls
from labhelpers.cloud.gateway_identity import GatewayIdentities
from labhelpers.cloud.gateway_rest_service import GatewayRestService
from labhelpers.cloud.gateway_v2_service import GatewayV2Service
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.invoke import Invoker
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.gateway.data_plane import PREFIX, DataPlane
from labhelpers.gateway.function_url.urls import FunctionUrls
from labhelpers.gateway.http_api.api import HttpApis
from labhelpers.gateway.http_backend import HttpBackend
from labhelpers.gateway.identity import MayCall, everybody_may
from labhelpers.gateway.jwt_keys import IssuerKeys
from labhelpers.gateway.lambda_call import LambdaCaller
from labhelpers.gateway.metrics import Metrics
from labhelpers.gateway.rest.rest_apis import RestApis
from labhelpers.gateway.rest.store import RestStore
from labhelpers.gateway.surroundings import GatewaySurroundings
from labhelpers.gateway.throttle import Throttles
from labhelpers.gateway.v2.control import ApiControl
from labhelpers.gateway.v2.store import WEBSOCKET, ApiStore
from labhelpers.gateway.websocket.api_keys import ApiKeys
from labhelpers.gateway.websocket.apis import WebSocketApis
from labhelpers.journal import Journal
from labhelpers.model import Account

Handle = Callable[[AwsRequest], Awaitable[AwsResponse]]


class Gateways:
    """All of API Gateway in one lab. `services` answer control calls, by boto3's name; `data_plane` the rest.

    `aws_services` are those that integrations call beside moto's: the composition root fills them in.
    """

    def __init__(
        self,
        account: Account,
        journal: Journal,
        clock: Clock,
        bridge: MotoBridge,
        registry: FunctionRegistry,
        invoker: Invoker,
        authenticator: Authenticator,
        endpoint_url: Callable[[], str],
        certificates: Certificates,
        keys: Keys,
        may_call: MayCall = everybody_may,
    ) -> None:
        backend = HttpBackend()
        metrics = Metrics(bridge.put_metrics)
        bridge.before_metrics.append(metrics.flush)
        self.surroundings = GatewaySurroundings(
            account=account,
            journal=journal,
            clock=clock,
            functions=LambdaCaller(registry, invoker),
            backend=backend,
            issuer_keys=IssuerKeys(backend, endpoint_url),
            metrics=metrics,
            throttles=Throttles(),
            write_logs=bridge.write_logs,
            identify=GatewayIdentities(authenticator, bridge.unique_id).identify,
            endpoint_url=endpoint_url,
            may_call=may_call,
        )
        self.data_plane = DataPlane(journal)
        callers = GatewayIdentities(authenticator, bridge.unique_id, "lambda")
        url_metrics = FunctionMetrics(bridge.put_metrics, clock.now)
        bridge.before_metrics.append(url_metrics.flush)
        self.data_plane.function_urls = FunctionUrls(
            registry, invoker, journal, callers.identify, url_metrics, may_call
        )
        self.apis_v2 = ApiStore(account)
        service_v2 = GatewayV2Service(ApiControl(self.apis_v2, self._address))
        http_apis = HttpApis(self.apis_v2, self.surroundings)
        service_v2.on_reset_cache.append(http_apis.reset_cache)
        self.data_plane.kinds.append(http_apis)
        self.api_keys = ApiKeys()
        self.websocket_apis = WebSocketApis(
            self.apis_v2, self.surroundings, self.api_keys, before_connect=certificates.ready
        )
        self.data_plane.kinds.append(self.websocket_apis)
        self.data_plane.unaddressed = self.websocket_apis.handle_unaddressed
        self.aws_services: dict[str, Handle] = {}
        self.aws_calls = AwsCalls(account, keys, bridge.handle, self.aws_services, endpoint_url)
        rest_store = RestStore(account, self._has_v2_stage)
        rest_apis = RestApis(rest_store, self.surroundings, self.aws_calls)
        # A handler may call its own API by https soon: what that takes is made meanwhile.
        for store in (self.apis_v2, rest_store):
            store.on_change.append(lambda _: certificates.begin())
        self.api_keys.usage = rest_apis.usage
        self.data_plane.kinds.append(rest_apis)
        self.services: dict[str, Handle] = {
            "apigatewayv2": service_v2.handle,
            "apigateway": GatewayRestService(rest_store, rest_apis).handle,
        }

    def _has_v2_stage(self, api_id: str, stage: str) -> bool:
        """Whether that is a stage of a WebSocket API: usage plans may have those, too."""
        api = self.apis_v2.find(api_id)
        return api is not None and not api.is_http and stage in api.stages

    def _address(self, protocol: str, api_id: str) -> str:
        """What AWS calls ApiEndpoint: here an address of the front door."""
        endpoint = self.surroundings.endpoint_url()
        if protocol == WEBSOCKET:
            endpoint = f"ws{endpoint.removeprefix('http')}"
        return f"{endpoint}{PREFIX}{api_id}"

    async def close(self) -> None:
        """End all WebSocket connections, and what is under way to backends."""
        await self.websocket_apis.close()
        await self.surroundings.backend.close()
