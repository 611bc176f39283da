"""Checks the signatures of requests to APIs and function URLs with IAM authorization: the keys of this lab."""

from __future__ import annotations

import time
from collections.abc import Callable

from multidict import CIMultiDict, CIMultiDictProxy

from labhelpers.cloud import signature
from labhelpers.cloud.authentication import Authenticator, Incoming, body_hash
from labhelpers.cloud.denials import Denied
from labhelpers.cloud.protocol import Form
from labhelpers.errors import AwsError
from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.gateway.identity import Identity, NotIdentified


class GatewayIdentities:
    """Identifies callers. `identify` is what gateways are given; `unique_id` is IAM's of an ARN.

    `service` is what requests must be signed for: `execute-api` for APIs, `lambda` for function URLs.
    """

    def __init__(
        self, authenticator: Authenticator, unique_id: Callable[[str], str], service: str = "execute-api"
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._unique_id = unique_id

    def identify(self, request: GatewayRequest) -> Identity:
        """The caller of a request. NotIdentified without a signature, or with a wrong one."""
        headers = CIMultiDictProxy(CIMultiDict(request.headers))
        try:
            claim = signature.read_claim(headers, request.query)
            if claim is None:
                raise NotIdentified("MissingAuthenticationTokenException", "Missing Authentication Token")
            if claim.service != self._service:
                message = f"Credential should be scoped to correct service: '{self._service}'. "
                raise NotIdentified("InvalidSignatureException", message)
            path = request.raw_path or request.path
            incoming = Incoming(
                request.method, path, request.query, headers, request.body, body_hash(request.body)
            )
            caller = self._authenticator.identify(incoming, claim, time.time())
        except Denied as denied:
            error = denied.as_error(Form.REST_JSON)
            raise NotIdentified(error.code, error.message) from denied
        except AwsError as error:
            raise NotIdentified(error.code, error.message) from error
        keys = caller.credentials
        if keys is None:
            raise NotIdentified("MissingAuthenticationTokenException", "Missing Authentication Token")
        account = keys.principal.split(":")[4] if keys.principal.count(":") >= 5 else ""
        return Identity(keys.access_key_id, account, keys.principal, self._unique_id(keys.principal))
