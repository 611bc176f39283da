"""AWS Lambda as this lab offers it: its control plane and Invoke, behind AWS's own HTTP API.

Called by the front door for every request signed for `lambda`; calls the registry and the two invokers.
"""

from __future__ import annotations

import json
from inspect import isawaitable
from pathlib import Path
from urllib.parse import unquote

from labhelpers.cloud.lambda_service_control import Call, ControlPlane
from labhelpers.cloud.lambda_service_invoke import AsynchronousInvoker, Invocations, SynchronousInvoker
from labhelpers.cloud.lambda_service_routes import Route, routes
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import NOT_EMULATED, TOO_MANY_REQUESTS, VALIDATION, AwsError, NotEmulated
from labhelpers.functions.constraints import SERIALIZATION

_FUNCTIONS, _INVOCATIONS = "/2015-03-31/functions/", "/invocations"
_ASYNC, _INVOKE_ASYNC = "/2014-11-13/functions/", "/invoke-async"

# The reason of a throttled call that AWS gives without the header Retry-After: recorded from AWS.
_RESERVED_LIMIT = "ReservedFunctionConcurrentInvocationLimitExceeded"
# Which errors AWS's service model spells `Message`, and which come without a `Type`: recorded from AWS.
_CAPITAL = frozenset(
    {
        "CodeSigningConfigNotFoundException",
        "InvalidCodeSignatureException",
        "InvalidRuntimeException",
        "InvalidZipFileException",
        "PublicPolicyException",
        "RecursiveInvocationException",
        "ResourceInUseException",
        "ResourceNotFoundException",
        "ServiceException",
        "SnapStartException",
        "SnapStartNotReadyException",
        "SnapStartTimeoutException",
    }
)
_UNTYPED = frozenset(
    {
        "AccessDeniedException",
        NOT_EMULATED,
        "RequestEntityTooLargeException",
        SERIALIZATION,
        "UnknownOperationException",
        VALIDATION,
    }
)


class LambdaService:
    """Answers every request for Lambda. `control` holds what the control plane's operations use."""

    def __init__(
        self, control: ControlPlane, invoker: SynchronousInvoker, asynchronous: AsynchronousInvoker
    ) -> None:
        self._control = control
        self._invocations = Invocations(control.registry, invoker, asynchronous)
        self._region = control.registry.account.region
        self._routes = routes()

    async def handle(self, request: AwsRequest) -> AwsResponse:
        """AWS's answer, or its error as AWS words it. Never raises AwsError."""
        try:
            if request.region != self._region:
                raise NotEmulated(f"Lambda in {request.region}: this lab is {self._region}")
            path = request.path
            if request.method == "POST" and path.startswith(_FUNCTIONS) and path.endswith(_INVOCATIONS):
                return await self._invocations.invoke(request, path[len(_FUNCTIONS) : -len(_INVOCATIONS)])
            return await self._other(request)
        except AwsError as error:
            return error_answer(error)

    async def _other(self, request: AwsRequest) -> AwsResponse:
        path = request.path.removesuffix("/")
        if request.method == "POST" and path.startswith(_ASYNC) and path.endswith(_INVOKE_ASYNC):
            return self._invocations.invoke_async(request, unquote(path[len(_ASYNC) : -len(_INVOKE_ASYNC)]))
        found = self._routes.match(request.method, path)
        if found is None:
            raise AwsError("UnknownOperationException", "", 404)
        route, names = found
        return await self._run(route, Call(route.name, request, names))

    async def _run(self, route: Route, call: Call) -> AwsResponse:
        if route.run is None:
            raise NotEmulated(route.left_out)
        answered = route.run(self._control, call)
        return await answered if isawaitable(answered) else answered

    def code(self, token: str) -> Path | None:
        """The archive behind `/_lab/lambda-code/<token>`, an address in answers; None when it is no longer good."""
        until, archive = self._control.downloads.get(token, (0.0, Path()))
        return archive if until >= self._control.registry.now() and archive.is_file() else None


def error_answer(error: AwsError) -> AwsResponse:
    """An error in Lambda's form; `fields` may give `Type` (None for none) and further members."""
    fields = dict(error.fields)
    kind = fields.pop("Type", None if error.code in _UNTYPED else _type_of(error))
    body = {"Type": kind} if kind else {}
    spelling = "Message" if error.code in _CAPITAL else "message"
    if "Message" not in fields:
        body[spelling] = error.message
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    if error.code == TOO_MANY_REQUESTS and fields.get("Reason") != _RESERVED_LIMIT:
        headers["Retry-After"] = (
            "1"  # Seconds. API_Invoke.html has the header; what AWS writes in it is not told.
        )
    return AwsResponse(error.status, headers, json.dumps({**body, **fields}).encode())


def _type_of(error: AwsError) -> str:
    return "User" if error.status < 500 else "Service"
