"""What every kind of API is given by the composition root: one object, so that a new need is one new field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.clock import Clock
from labhelpers.gateway.access_log import WriteLogs
from labhelpers.gateway.http_backend import HttpBackend
from labhelpers.gateway.identity import Identify, MayCall, everybody_may
from labhelpers.gateway.jwt_keys import IssuerKeys
from labhelpers.gateway.lambda_call import LambdaCaller
from labhelpers.gateway.metrics import Metrics
from labhelpers.gateway.throttle import Throttles
from labhelpers.journal import Journal
from labhelpers.model import Account


@dataclass(frozen=True, slots=True)
class GatewaySurroundings:
    """Shared by all APIs of a lab. `endpoint_url` is known once the front door listens."""

    account: Account
    journal: Journal
    clock: Clock
    functions: LambdaCaller
    backend: HttpBackend
    issuer_keys: IssuerKeys
    metrics: Metrics
    throttles: Throttles
    write_logs: WriteLogs
    identify: Identify
    endpoint_url: Callable[[], str]
    may_call: MayCall = everybody_may
