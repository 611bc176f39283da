"""Which headers a REST API takes out, adds and renames on the way to an integration and back. Pure.

Recorded from AWS for each type of integration (LocalStack's test_apigateway_header_remapping).
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from labhelpers.gateway.exchange import Pairs
from labhelpers.gateway.rest.settings import IntegrationType

Headers = dict[str, list[str]]

# These never get past the gateway, whatever the integration; mappings cannot read them either.
_NOT_SEEN = frozenset(
    "connection content-length content-md5 expect max-forwards proxy-authenticate server te transfer-encoding trailer "
    "upgrade www-authenticate".split()
)
# AWS spells these its own way in events.
_SPELLING = {"authorization": "Authorization", "user-agent": "User-Agent", "host": "Host"}

_FORBIDDEN = frozenset("content-length transfer-encoding x-amzn-trace-id x-amzn-apigateway-api-id".split())
_FORBIDDEN_AWS = _FORBIDDEN | {"authorization", "connection", "expect", "proxy-authenticate", "te"}

_DROPPED = frozenset({"connection", "expect", "proxy-authenticate", "te"})
_DROPPED_HTTP = _DROPPED | {"via"}
_DROPPED_AWS = _DROPPED | {"referer"}

_REMAPPED = frozenset({"connection", "content-length", "date", "server"})
_REMAPPED_CUSTOM = _REMAPPED | frozenset(
    "authorization content-md5 expect host max-forwards proxy-authenticate trailer upgrade user-agent "
    "www-authenticate".split()
)
_AWS_OR_PROXY = (IntegrationType.AWS, IntegrationType.AWS_PROXY)


def seen(headers: Pairs) -> Headers:
    """The headers of a request as the API sees them: all values by name, spelt as first sent."""
    found: Headers = {}
    spelling: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _NOT_SEEN:
            continue
        key = spelling.get(lower)
        if key is None:
            key = spelling[lower] = _SPELLING.get(lower, name)
            found[key] = [value]
        else:
            found[key].append(value)
    return found


def forwarded(headers: Headers, source_ip: str, port: str, protocol: str, trace_id: str) -> Headers:
    """The headers of a proxy event: with where the request came from, and its trace."""
    lower = {name.lower(): name for name in headers}
    earlier = headers.get(lower.get("x-forwarded-for", ""))
    added = {
        "X-Forwarded-For": [f"{', '.join(earlier)}, {source_ip}" if earlier else source_ip],
        "X-Forwarded-Port": [port],
        "X-Forwarded-Proto": [protocol],
        "X-Amzn-Trace-Id": [trace_id],
    }
    if any(name.lower() in lower for name in added):
        replaced = {name.lower() for name in added}
        headers = {name: values for name, values in headers.items() if name.lower() not in replaced}
    return {**headers, **added}


def forbidden_in(names: Iterable[str], kind: IntegrationType) -> str | None:
    """The first header that a mapping may not set for this type of integration: AWS answers 500 to all requests."""
    forbidden = _FORBIDDEN_AWS if kind in _AWS_OR_PROXY else _FORBIDDEN
    return next((name for name in names if name.lower() in forbidden), None)


def to_integration(
    headers: Mapping[str, Sequence[str]],
    kind: IntegrationType,
    api_id: str,
    trace_id: str,
    content_type: str | None,
) -> list[tuple[str, str]]:
    """What a backend gets: `headers` (mapped or passed on) with API Gateway's own where they are missing."""
    dropped = _DROPPED_AWS if kind is IntegrationType.AWS else _DROPPED_HTTP
    made = [
        (name, value)
        for name, values in headers.items()
        if name.lower() not in dropped
        for value in ([",".join(values)] if kind is IntegrationType.HTTP_PROXY else values)
    ]
    have = {name.lower() for name, _ in made}
    defaults = {"Accept": "application/json", "User-Agent": f"AmazonAPIGateway_{api_id}"}
    if content_type:
        defaults["Content-Type"] = content_type
    made += [(name, value) for name, value in defaults.items() if name.lower() not in have]
    made.append(("X-Amzn-Trace-Id", trace_id))
    if kind is not IntegrationType.AWS:
        made.append(("x-amzn-apigateway-api-id", api_id))
    return made


def to_client(headers: Iterable[tuple[str, str]], kind: IntegrationType) -> list[tuple[str, str]]:
    """What a client gets of an integration's headers: some are dropped, those that are the gateway's own renamed."""
    remapped = _REMAPPED_CUSTOM if kind in (IntegrationType.AWS, IntegrationType.HTTP) else _REMAPPED
    dropped = (
        {"transfer-encoding", "content-encoding", "via"}
        if kind is IntegrationType.HTTP_PROXY
        else {"transfer-encoding"}
    )
    return [
        (f"x-amzn-Remapped-{name}" if name.lower() in remapped else name, value)
        for name, value in headers
        if name.lower() not in dropped
    ]
