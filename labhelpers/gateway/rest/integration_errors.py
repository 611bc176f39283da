"""What clients get when an integration gives no answer; the causes are for the execution log. Pure."""

from __future__ import annotations

import re

from aiohttp import ClientConnectorDNSError

from labhelpers.gateway.http_backend import BackendFailure, Trouble
from labhelpers.gateway.json_text import loads
from labhelpers.gateway.lambda_call import CallFailure, Reason
from labhelpers.gateway.rest.gateway_responses import INTERNAL, GatewayError, Kind, configuration_error
from labhelpers.gateway.rest.run import Run
from labhelpers.model import InvokeResult

_TOKEN = re.compile(r"\s*([^\W\d]\w*)")
_SOURCE_CHARACTERS = 500


def function_error(run: Run, result: InvokeResult) -> GatewayError:
    """502: the function of a proxy integration failed."""
    message = result.error.message if result.error else ""
    if run.log:
        run.log.failed(
            f"Lambda execution failed with status 200 due to customer function error: {message}. "
            f"Lambda request id: {result.request_id}"
        )
    return GatewayError(Kind.API_CONFIGURATION_ERROR, INTERNAL, status=502)


def call_error(run: Run, failure: CallFailure, status: int) -> GatewayError:
    """The function was not run, or nobody waits for it any more; `status` is for one that cannot be called."""
    run.integration_error = failure.message
    reason = failure.reason
    if reason is Reason.TIMED_OUT:
        return timeout_error()
    if reason is Reason.TOO_LARGE:
        return GatewayError(
            Kind.REQUEST_TOO_LARGE, "Request Too Long", log=f"Execution failed: {failure.message}"
        )
    if reason in (Reason.NOT_PERMITTED, Reason.NOT_FOUND):
        if run.log:
            run.log.failed(failure.message)
        return configuration_error("Invalid permissions on Lambda function", status=status)
    if run.log:
        run.log.failed(f"Lambda invocation failed with status: 429. {failure.message}")
    return GatewayError(
        Kind.API_CONFIGURATION_ERROR, INTERNAL, log="Execution failed due to an internal error"
    )


def check_json(payload: bytes) -> None:
    """GatewayError 400 for a text that Lambda cannot take as an event (seen on AWS, the words after its colon too)."""
    try:
        loads(payload)
    except (ValueError, RecursionError) as error:
        text = payload.decode("utf-8", "replace")
        token = _TOKEN.match(text)
        reason = (
            f"Unrecognized token '{token[1]}': was expecting ('true', 'false' or 'null')\n"
            f' at [Source: (byte[])"{text[:_SOURCE_CHARACTERS]}"; line: 1, column: {token.end() + 1}]'
            if token
            else str(error)
        )
        message = f"Could not parse request body into json: {reason}"
        raise GatewayError(Kind.DEFAULT_4XX, message, log=f"Execution failed: {message}") from error


def timeout_error() -> GatewayError:
    """504: the client does not wait longer; whatever works for it goes on."""
    return GatewayError(
        Kind.INTEGRATION_TIMEOUT,
        "Endpoint request timed out",
        log="Execution failed due to a timeout error",
    )


def too_large_error() -> GatewayError:
    """500: an answer of over 10 MB."""
    return configuration_error("The integration's response is larger than 10 MB")


def backend_error(failure: BackendFailure) -> GatewayError:
    """An HTTP backend gave no answer (recorded): 504, and 500 where there is no such address."""
    if failure.trouble is Trouble.TIMED_OUT:
        return timeout_error()
    if failure.trouble is Trouble.TOO_LARGE:
        return too_large_error()
    unresolved = isinstance(failure.__cause__, ClientConnectorDNSError)
    if failure.trouble is Trouble.BAD_ADDRESS or unresolved:
        return configuration_error("Invalid endpoint address")
    return GatewayError(
        Kind.INTEGRATION_FAILURE,
        "Network error communicating with endpoint",
        log=f"Execution failed due to a network error communicating with endpoint: {failure.message}",
    )
