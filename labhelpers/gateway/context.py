"""`$context`: what templates, parameter mappings, authorizers and access logs may know of a request. Pure.

`base_context` makes what all kinds of API share; each kind adds its own members and looks them up with `lookup`.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.model import Account

Context = dict[str, Any]

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_clock_second = -1
_clock_text = ""


def request_time(epoch_s: float) -> str:
    """A moment as API Gateway writes it: 10/Feb/2026:13:40:52 +0000."""
    global _clock_second, _clock_text
    second = int(epoch_s)
    if second != _clock_second:
        t = time.gmtime(second)
        day, clock = f"{t.tm_mday:02}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}", time.strftime("%H:%M:%S", t)
        _clock_text = f"{day}:{clock} +0000"
        _clock_second = second
    return _clock_text


def base_context(request: GatewayRequest, account: Account, api_id: str, stage: str) -> Context:
    """What every kind of API knows before it has looked at its settings, nested as in templates."""
    return {
        "accountId": account.id,
        "apiId": api_id,
        "domainName": request.domain,
        "domainPrefix": api_id,
        "httpMethod": request.method,
        "identity": {"sourceIp": request.source_ip, "userAgent": request.header("user-agent")},
        "path": request.path,
        "protocol": request.protocol,
        "requestId": request.request_id,
        "requestTime": request_time(request.received_at),
        "requestTimeEpoch": int(request.received_at * 1000),
        "stage": stage,
    }


def lookup(context: Mapping[str, Any], name: str) -> Any:
    """The value of `a.b.c` (without `$context.`); None where there is none. Names may themselves contain dots."""
    value: Any = context
    while True:
        if not isinstance(value, Mapping):
            return None
        if name in value:
            return value[name]
        head, dot, rest = name.partition(".")
        while dot and head not in value:
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"
        if not dot:
            return None
        value, name = value[head], rest


def as_text(value: Any) -> str | None:
    """A value as it stands in a mapping or a log: strings as they are, everything else as JSON; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
