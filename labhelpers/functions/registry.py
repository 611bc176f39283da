"""The functions of an account: made, changed, published, deleted, and found for a call. No I/O but that of packages.

Called by the Lambda service (control plane) and by all that call functions (`resolve`). Event loop only. Its rules:
- A version that was published never changes. `resolve` answers from a table that any change empties.
- Who hands over a package hands over its reference; the registry gives it back to the store when nothing needs it.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, RESOURCE_CONFLICT, AwsError
from labhelpers.functions import event_invoke, permissions
from labhelpers.functions.aliases import Alias
from labhelpers.functions.layers import LayerRegistry
from labhelpers.functions.names import (
    FunctionReference,
    function_arn,
    function_not_found,
    is_alias,
    read_reference,
)
from labhelpers.functions.package import Package, PackageStore
from labhelpers.functions.policy import REVISION_GETTERS, check_revision
from labhelpers.functions.settings import EventInvokeConfig, FunctionSettings, check_code_size
from labhelpers.functions.versions import Function, VersionRecord, timestamp
from labhelpers.journal import Journal
from labhelpers.model import LATEST, Account, FunctionVersion


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a call runs: `invoked_arn` is qualified only as the caller qualified it; `alias` is empty without one."""

    version: FunctionVersion
    invoked_arn: str
    executed_version: str
    alias: str = ""


@dataclass(frozen=True, slots=True)
class _Weighted:
    """A target that is chosen anew for every call."""

    alias: Alias
    targets: Mapping[str, Resolved]


class FunctionRegistry:
    """All functions of one account and region. `on_change` hears the unqualified ARN of a function that changed."""

    def __init__(
        self,
        packages: PackageStore,
        *,
        account: Account | None = None,
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        chance: Callable[[], float] = random.random,
        journal: Journal | None = None,
        concurrency: int = limits.CONCURRENT_EXECUTIONS,
    ) -> None:
        self.account = account or Account()
        self.packages = packages
        self.layers = LayerRegistry(self.account, packages)
        self.on_change: list[Callable[[str], None]] = []
        self.on_provisioned_change: list[Callable[[str], None]] = []
        self.concurrency = concurrency
        self.unreserved_min = min(limits.UNRESERVED_CONCURRENCY_MIN, concurrency)
        self.url_owners: dict[str, Function] = {}
        self.now = now
        self.new_id = new_id
        self._chance = chance
        self._journal = journal
        self._functions: dict[str, Function] = {}
        self._targets: dict[tuple[str, str], Resolved | _Weighted] = {}

    # --- Finding ---

    def resolve(self, function: str, qualifier: str = "") -> Resolved:
        """The version that a call of `function` runs now; weighted aliases choose by chance.

        AwsError as Invoke answers: 404 ResourceNotFoundException, 400 for names and qualifiers of a wrong form.
        """
        target = self._targets.get((function, qualifier))
        if target is None:
            target = self._targets[function, qualifier] = self._find_target(function, qualifier)
        if isinstance(target, Resolved):
            return target
        return target.targets[target.alias.choose(self._chance())]

    def _find_target(self, function: str, qualifier: str) -> Resolved | _Weighted:
        reference = self.reference(function, qualifier)
        found = self._functions.get(reference.name)
        if found is None or found.target(reference.qualifier) is None:
            raise function_not_found(self.arn(reference.name, reference.qualifier or LATEST))
        invoked = self.arn(reference.name, reference.qualifier)
        alias = found.aliases.get(reference.qualifier)
        if alias is None:
            version = reference.qualifier or LATEST
            return Resolved(found.runnable(version), invoked, version)
        targets = {
            version: Resolved(found.runnable(version), invoked, version, alias.name)
            for version in (alias.version, *alias.weights)
        }
        return _Weighted(alias, targets) if alias.weights else targets[alias.version]

    def reference(self, function: str, qualifier: str = "") -> FunctionReference:
        """Name and qualifier in any of the forms that AWS takes; AwsError for wrong ones, as `read_reference`."""
        return read_reference(function, qualifier, self.account)

    def arn(self, name: str, qualifier: str = "") -> str:
        return function_arn(self.account, name, qualifier)

    def find(self, name: str) -> Function | None:
        return self._functions.get(name)

    def get(self, name: str, qualifier: str = "") -> Function:
        """A function by its plain name. AwsError 404; `qualifier` only makes the ARN in its text."""
        if (found := self._functions.get(name)) is None:
            raise function_not_found(self.arn(name, qualifier))
        return found

    def target(self, reference: FunctionReference) -> VersionRecord:
        """The version behind a reference; AwsError 404."""
        found = self._functions.get(reference.name)
        record = found.target(reference.qualifier) if found else None
        if record is None:
            raise function_not_found(self.arn(reference.name, reference.qualifier))
        return record

    def functions(self) -> list[Function]:
        """All functions, by name."""
        return [self._functions[name] for name in sorted(self._functions)]

    # --- Making and changing ---

    def create(
        self,
        name: str,
        settings: FunctionSettings,
        package: Package,
        *,
        publish: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> VersionRecord:
        """A new function; the record as the answer shows it. AwsError 409 when there is one of that name."""
        self.check_free(name)
        check_code_size(package.unzipped_size, settings.layers)
        latest = VersionRecord(
            LATEST, settings, package, self.new_id(), timestamp(self.now()), build=self.new_id()
        )
        function = Function(name, self.arn(name), latest, tags=dict(tags or {}))
        self._hold_layers(latest)
        self._functions[name] = function
        answer = latest
        if publish:
            answer = self._publish(function, settings.description)
        self._settle(function, "function.created")
        return answer

    def check_free(self, name: str) -> None:
        """AwsError 409 when a function has this name."""
        if name in self._functions:
            raise AwsError(RESOURCE_CONFLICT, f"Function already exist: {name}", 409)

    def update(
        self,
        name: str,
        *,
        settings: FunctionSettings | None = None,
        package: Package | None = None,
        publish: bool = False,
        revision_id: str | None = None,
    ) -> VersionRecord:
        """New code, settings or both for $LATEST; the record as the answer shows it. AwsError 404, 412."""
        function = self.get(name)
        old = function.latest
        check_revision(revision_id, old.revision_id, REVISION_GETTERS)
        latest = replace(
            old,
            settings=settings or old.settings,
            package=package or old.package,
            revision_id=self.new_id(),
            last_modified=timestamp(self.now()),
            build=self.new_id(),
        )
        check_code_size(latest.package.unzipped_size, latest.settings.layers)
        function.latest = latest
        self._hold_layers(latest)
        if package is None:
            self.packages.acquire(old.package)
        self._let_go(old)
        answer = self._publish(function, latest.settings.description) if publish else latest
        self._settle(function, "function.updated")
        return answer

    def publish(
        self,
        name: str,
        *,
        description: str | None = None,
        sha256: str | None = None,
        revision_id: str | None = None,
    ) -> VersionRecord:
        """A version of $LATEST as it is now, or the newest one when nothing changed since. AwsError 400, 404, 412."""
        function = self.get(name)
        latest = function.latest
        check_revision(revision_id, latest.revision_id, REVISION_GETTERS)
        if sha256 and sha256 != latest.package.sha256:
            raise AwsError(
                INVALID_PARAMETER,
                f"CodeSHA256 ({sha256}) is different from current CodeSHA256 in {LATEST} ({latest.package.sha256}). "
                f"Please try again with the CodeSHA256 in {LATEST}.",
            )
        newest = function.newest()
        if newest and newest.source == latest.settings and newest.package.sha256 == latest.package.sha256:
            return newest
        record = self._publish(function, latest.settings.description if description is None else description)
        self._settle(function, "version.published", version=record.version)
        return record

    def _publish(self, function: Function, description: str) -> VersionRecord:
        function.last_version += 1
        latest = function.latest
        record = replace(
            latest,
            version=str(function.last_version),
            settings=replace(latest.settings, description=description),
            revision_id=self.new_id(),
            build=self.new_id(),
            source=latest.settings,
        )
        function.versions[record.version] = record
        self.packages.acquire(record.package)
        self._hold_layers(record)
        return record

    def delete(self, name: str) -> None:
        """A function with all that belongs to it; AwsError 404."""
        function = self.get(name)
        del self._functions[name]
        for url in function.urls.values():
            self.url_owners.pop(url.id, None)
        for record in function.all_versions():
            self._let_go(record)
        self._changed(function, "function.deleted")

    def delete_version(self, name: str, qualifier: str) -> None:
        """One published version. AwsError as AWS: 400 for aliases and $LATEST, 404, 409 while an alias names it."""
        if is_alias(qualifier):
            raise AwsError(INVALID_PARAMETER, "Deletion of aliases is not currently supported.")
        if qualifier == LATEST:
            message = f"{LATEST} version cannot be deleted without deleting the function."
            raise AwsError(INVALID_PARAMETER, message)
        function = self.get(name)
        users = [
            alias.name
            for alias in function.aliases.values()
            if alias.version == qualifier or qualifier in alias.weights
        ]
        if users:
            message = (
                f"Unable to delete version because the following aliases reference it: [{', '.join(users)}]"
            )
            raise AwsError(RESOURCE_CONFLICT, message, 409)
        if (record := function.versions.pop(qualifier, None)) is not None:
            self.forget_qualifier(function, qualifier)
            self._let_go(record)
            self._changed(function, "version.deleted", version=qualifier)

    def total_reserved(self) -> int:
        """The concurrency that all functions together have reserved; provisioned counts where nothing is reserved."""
        return sum(function.set_apart() for function in self._functions.values())

    def set_reserved_concurrency(self, name: str, reserved: int | None) -> None:
        """Reserve `reserved` environments, or none; AwsError 404, 400 when too few would be left for the others."""
        function = self.get(name, LATEST if reserved is not None else "")
        provisioned = function.total_provisioned()
        if reserved is not None and reserved < provisioned:
            raise AwsError(  # Its words are not recorded.
                INVALID_PARAMETER,
                f"ReservedConcurrentExecutions {reserved} should not be lower than function's total provisioned "
                f"concurrency [{provisioned}].",
            )
        others = self.total_reserved() - function.set_apart()
        wanted = provisioned if reserved is None else reserved
        if self.concurrency - others - wanted < self.unreserved_min:
            raise AwsError(
                INVALID_PARAMETER,
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{self.unreserved_min}].",
                fields={"Type": None},
            )
        function.reserved_concurrency = reserved
        self._changed(function, "function.concurrency", reserved=reserved)

    def set_recursive_loop(self, name: str, value: str) -> None:
        """Whether Lambda stops the function's loops: Terminate or Allow. AwsError 404."""
        function = self.get(name)
        function.recursive_loop = value
        self._changed(function, "function.recursion", recursive_loop=value)

    # --- What else belongs to a function ---

    def event_invoke_config(self, arn: str, qualifier: str) -> EventInvokeConfig:
        """How asynchronous events for this function and qualifier are handled; AwsError 404."""
        return event_invoke.effective(self, self.reference(arn, qualifier))

    def allows(
        self,
        function: str,
        qualifier: str = "",
        *,
        principal: str,
        source_arn: str = "",
        source_account: str = "",
    ) -> bool:
        """Whether the resource policy of the function, version or alias lets this service call it."""
        reference = self.reference(function, qualifier)
        return permissions.allows(
            self, reference, principal=principal, source_arn=source_arn, source_account=source_account
        )

    def code_bytes(self) -> int:
        """Bytes of the archives of all versions of all functions and layers."""
        records = (record for function in self._functions.values() for record in function.all_versions())
        return sum(record.package.code_size for record in records) + self.layers.total_bytes()

    # --- Within ---

    def _settle(self, function: Function, kind: str, **detail: str) -> None:
        """AWS gives $LATEST another revision when what it was doing is done; here that is at once."""
        function.latest = replace(function.latest, revision_id=self.new_id())
        self._changed(function, kind, **detail)

    def forget_targets(self, function: Function) -> None:
        """Find the targets of calls anew: an alias of the function changed, and no version did."""
        self._targets.clear()
        if function.provisioned:
            self.provisioned_changed(function)

    def provisioned_changed(self, function: Function) -> None:
        """The function has other provisioned concurrency, or it belongs elsewhere."""
        for listener in self.on_provisioned_change:
            listener(function.arn)

    def revisions(self, name: str) -> set[str]:
        """The revisions of all versions of a function as they are now; none when it is gone."""
        function = self._functions.get(name)
        return {record.build for record in function.all_versions()} if function is not None else set()

    def forget_qualifier(self, function: Function, qualifier: str) -> None:
        """What belonged to a version or alias goes with it; but its URL stays, which nobody may ask then."""
        function.policies.pop(qualifier, None)
        function.event_invoke.pop(qualifier, None)
        if function.provisioned.pop(qualifier, None) is not None:
            self.provisioned_changed(function)

    def _changed(self, function: Function, kind: str, **detail: Any) -> None:
        function.built.clear()
        self._targets.clear()
        if self._journal:
            self._journal.append(kind, function.arn, **detail)
        for listener in self.on_change:
            listener(function.arn)

    def _hold_layers(self, record: VersionRecord) -> None:
        for layer in record.settings.layers:
            self.packages.acquire(layer.package)

    def _let_go(self, record: VersionRecord) -> None:
        for package in _packages(record):
            self.packages.release(package)


def _packages(record: VersionRecord) -> Iterable[Package]:
    return (record.package, *(layer.package for layer in record.settings.layers))
