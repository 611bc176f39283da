"""The event that a function gets from its URL: payload format 2.0 with a route `$default` and nothing of an API. Pure.

docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

from typing import Any

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.http_api.event import Authorized, Occasion, event_v2
from labhelpers.gateway.identity import Identity

_DEFAULT = "$default"
_ANONYMOUS = "anonymous"


def url_event(request: GatewayRequest, url_id: str, identity: Identity | None = None) -> dict[str, Any]:
    """The event of a request; `identity` is the caller's, where the URL asks for one."""
    account = identity.account_id if identity else _ANONYMOUS
    occasion = Occasion(request, account, url_id, _DEFAULT, {}, _DEFAULT, _DEFAULT, {})
    event = event_v2(occasion, Authorized(_iam(identity)) if identity else Authorized())
    # Unlike an HTTP API, a function URL leaves the path encoded: seen on AWS.
    event["rawPath"] = event["requestContext"]["http"]["path"] = request.path
    if identity is not None:
        event["requestContext"]["authentication"] = None
    return event


def _iam(identity: Identity) -> dict[str, Any]:
    return {
        "iam": {
            "accessKey": identity.access_key,
            "accountId": identity.account_id,
            "callerId": identity.user_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": identity.user_arn,
            "userId": identity.user_id,
        }
    }
