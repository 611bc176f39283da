"""Provisioned concurrency: environments of versions and aliases that wait for calls, started before any comes.

`Provisioner` makes the pool have what the settings ask for, whatever changes: a setting, an alias, the code, a crash.
docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from labhelpers.functions.environment import State
from labhelpers.functions.outcomes import InitFailure
from labhelpers.functions.pool import Pool
from labhelpers.functions.provisioned_settings import shares
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.functions.versions import Function
from labhelpers.journal import Journal
from labhelpers.model import FunctionVersion

IN_PROGRESS, READY, FAILED = "IN_PROGRESS", "READY", "FAILED"
INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
_REFILL_S = 0.1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a setting has come: environments that wait for calls or run one, and AWS's status for that."""

    available: int
    status: str
    reason: str = ""


class Provisioner:
    """Keeps in the pool what the settings of all functions ask for. Event loop only."""

    def __init__(self, registry: FunctionRegistry, pool: Pool, journal: Journal) -> None:
        self._registry = registry
        self._pool = pool
        self._journal = journal
        self._failed: dict[str, str] = {}  # The revision of a version that would not start.
        pool.on_provisioned_end = self._later
        pool.on_warm = self._warm

    def function_changed(self, arn: str) -> None:
        """A setting, an alias, the code is new, or an environment has ended: make the pool fit again."""
        function = self._registry.find(arn.split(":")[6])
        if function is None:
            return  # The pool ends what is left of it.
        wanted = self._wanted(function)
        for number in function.versions:
            version = function.runnable(number)
            there = len(self._pool.provisioned(version))
            count = wanted.get(number, 0)
            if self._failed.get(version.qualified_arn) == version.revision:
                count = min(count, there)
            if count or there:
                self._pool.provision(version, count)

    def setting_changed(self, arn: str) -> None:
        """As `function_changed`; what would not start before is tried again."""
        for version in [version for version in self._failed if version.startswith(f"{arn}:")]:
            del self._failed[version]
        self.function_changed(arn)

    def progress(self, function: Function, qualifier: str) -> Progress:
        """How far the setting of this qualifier has come."""
        requested = function.provisioned[qualifier].requested
        available, failed = 0, False
        for number, share in shares(function, qualifier, requested).items():
            version = function.runnable(number)
            ready = [found for found in self._pool.provisioned(version) if found.state is not State.INIT]
            available += min(len(ready), share)
            failed |= self._failed.get(version.qualified_arn) == version.revision
        if failed:
            return Progress(available, FAILED, INIT_FAILURE)
        return Progress(available, READY if available == requested else IN_PROGRESS)

    def _wanted(self, function: Function) -> dict[str, int]:
        """How many environments each version is to have."""
        wanted: defaultdict[str, int] = defaultdict(int)
        for qualifier, setting in function.provisioned.items():
            for number, share in shares(function, qualifier, setting.requested).items():
                wanted[number] += share
        return wanted

    def _later(self, arn: str) -> None:
        """One has ended: fill its place, but not so fast that a function that ends by itself keeps the machine busy."""
        asyncio.get_running_loop().call_later(_REFILL_S, self.function_changed, arn)

    def _warm(self, version: FunctionVersion, failure: InitFailure | None) -> None:
        arn = version.qualified_arn
        if failure is None:
            self._journal.append("provisioned.ready", arn, available=len(self._pool.provisioned(version)))
        elif self._failed.get(arn) != version.revision:
            self._failed[arn] = version.revision
            what = f"provisioned concurrency: INIT failed ({failure.kind}); the function's log says why"
            self._journal.failure(what, arn)
