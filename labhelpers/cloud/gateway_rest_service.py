"""API Gateway V1 as boto3 calls it: finds the operation, runs it on the store, words the answer.

moto has no part in it: it keeps settings of REST APIs, but no deployments, nor most of AWS's checks and updates.
docs.aws.amazon.com/apigateway/latest/api/API_Operations.html
"""

from __future__ import annotations

import json
from inspect import isawaitable
from typing import Any

from labhelpers.cloud import (
    gateway_rest_apis,
    gateway_rest_export,
    gateway_rest_import,
    gateway_rest_keys,
    gateway_rest_plans,
    gateway_rest_stages,
)
from labhelpers.cloud.gateway_rest_call import RestCall
from labhelpers.cloud.gateway_rest_routes import Operation, Route, routes
from labhelpers.cloud.gateway_rest_test_invoke import TestInvocations
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import NotEmulated
from labhelpers.gateway.rest.rest_apis import RestApis
from labhelpers.gateway.rest.store import RestStore

_JSON = {"Content-Type": "application/json"}
_METHOD = "/restapis/{api}/resources/{resource}/methods/{method}"


class GatewayRestService:
    """Answers every `apigateway` call. `apis` is the data plane, which knows caches and what is used."""

    def __init__(self, store: RestStore, apis: RestApis) -> None:
        self._store = store
        self._apis = apis
        self._router = routes()
        tests = TestInvocations(apis)
        self._add("POST", "/restapis", 201, self._create_api)
        self._add("PUT", "/restapis/{api}", 200, gateway_rest_import.put_rest_api)
        self._add("GET", "/restapis/{api}/stages/{stage}/exports/{type}", 200, gateway_rest_export.get_export)
        self._add("POST", "/apikeys", 201, self._create_key)
        self._add("GET", "/usageplans/{plan}/usage", 200, self._get_usage)
        self._add("PATCH", "/usageplans/{plan}/keys/{key}/usage", 200, self._update_usage)
        self._add("DELETE", "/restapis/{api}/stages/{stage}/cache/data", 202, self._flush_cache)
        self._add("DELETE", "/restapis/{api}/stages/{stage}/cache/authorizers", 202, self._flush_authorizers)
        self._add("POST", _METHOD, 200, tests.method)
        self._add("POST", "/restapis/{api}/authorizers/{authorizer}", 200, tests.authorizer)

    def _add(self, method: str, path: str, status: int, run: Operation) -> None:
        self._router.add(method, path, Route(status, run))

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """The answer to a signed call. AwsError as API Gateway words it; NotEmulated for what the lab leaves out."""
        if request.region != self._store.account.region:
            raise NotEmulated(f"API Gateway in {request.region}: this lab is {self._store.account.region}")
        found = self._router.match(request.method, request.path)
        if found is None:
            raise NotEmulated(f"API Gateway {request.method} {request.path}")
        route, names = found
        if route.run is None:
            raise NotEmulated(route.left_out)
        result: Any = route.run(RestCall(request, names, self._store))
        if isawaitable(result):
            result = await result
        if isinstance(result, AwsResponse):
            return result
        body = b"" if result is None else json.dumps(result).encode()
        return AwsResponse(route.status, _JSON, body)

    def _create_api(self, call: RestCall) -> Any:
        if call.query.get("mode") == "import":
            return gateway_rest_import.import_rest_api(call)
        return gateway_rest_apis.create_rest_api(call)

    def _create_key(self, call: RestCall) -> Any:
        if call.query.get("mode") == "import":
            return gateway_rest_keys.import_api_keys(call)
        return gateway_rest_keys.create_api_key(call)

    def _get_usage(self, call: RestCall) -> Any:
        return gateway_rest_plans.get_usage(call, self._apis.usage)

    def _update_usage(self, call: RestCall) -> Any:
        return gateway_rest_plans.update_usage(call, self._apis.usage)

    def _flush_cache(self, call: RestCall) -> None:
        stage = gateway_rest_stages.get_stage(call)
        self._apis.cache.flush(call["api"], stage["stageName"])

    def _flush_authorizers(self, call: RestCall) -> None:
        gateway_rest_stages.get_stage(call)
        self._apis.authorizers.flush(call["api"])
