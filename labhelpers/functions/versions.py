"""What the registry keeps of one function: its versions, aliases, permissions and settings; and what pools run of it.

Plain data without I/O. A `VersionRecord` is never changed, only replaced.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from labhelpers.functions.aliases import Alias
from labhelpers.functions.function_urls import FunctionUrl
from labhelpers.functions.package import Package
from labhelpers.functions.policy import Policy
from labhelpers.functions.provisioned_settings import Provisioned
from labhelpers.functions.settings import EventInvokeSettings, FunctionSettings
from labhelpers.model import LATEST, FunctionVersion


class Status(Enum):
    """What a function is doing as an answer shows it. Here it is ready once the answer is sent: nothing takes time."""

    CREATING = "creating"
    UPDATING = "updating"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version. `build` is new when code or settings are, `revision_id` with every change that AWS counts.

    `source` is, for a published version, what $LATEST was set to when it was published.
    """

    version: str
    settings: FunctionSettings
    package: Package
    revision_id: str
    last_modified: str
    build: str
    source: FunctionSettings | None = None


@dataclass(slots=True)
class Function:
    """A function with all that belongs to it. Policies, URLs, event settings are by qualifier; "" is the function."""

    name: str
    arn: str
    latest: VersionRecord
    versions: dict[str, VersionRecord] = field(default_factory=dict)
    last_version: int = 0
    aliases: dict[str, Alias] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    event_invoke: dict[str, EventInvokeSettings] = field(default_factory=dict)
    urls: dict[str, FunctionUrl] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    reserved_concurrency: int | None = None
    provisioned: dict[str, Provisioned] = field(default_factory=dict)
    recursive_loop: str = "Terminate"
    built: dict[str, FunctionVersion] = field(default_factory=dict)

    def record(self, version: str) -> VersionRecord | None:
        """The record of a version's number or of $LATEST."""
        return self.latest if version == LATEST else self.versions.get(version)

    def target(self, qualifier: str) -> VersionRecord | None:
        """The record behind a qualifier; of a weighted alias the one that it names first."""
        alias = self.aliases.get(qualifier)
        return self.record(alias.version if alias else qualifier or LATEST)

    def all_versions(self) -> list[VersionRecord]:
        """$LATEST, then the published ones by number."""
        return [self.latest, *(self.versions[number] for number in sorted(self.versions, key=int))]

    def newest(self) -> VersionRecord | None:
        """The published version with the highest number."""
        return self.versions[max(self.versions, key=int)] if self.versions else None

    def total_provisioned(self) -> int:
        """The provisioned concurrency of all its versions and aliases."""
        return sum(setting.requested for setting in self.provisioned.values())

    def set_apart(self) -> int:
        """The concurrency that nobody else can have: what is reserved, or what is provisioned where nothing is."""
        return self.total_provisioned() if self.reserved_concurrency is None else self.reserved_concurrency

    def runnable(self, version: str) -> FunctionVersion:
        """The version as pools know it: one object as long as nothing about it changes."""
        if version not in self.built:
            record = self.record(version)
            assert record is not None, "only called for versions that exist"
            self.built[version] = self._build(record)
        return self.built[version]

    def _build(self, record: VersionRecord) -> FunctionVersion:
        settings = record.settings
        return FunctionVersion(
            arn=self.arn,
            name=self.name,
            version=record.version,
            revision=record.build,
            runtime=settings.runtime,
            handler=settings.handler,
            role=settings.role,
            code_root=record.package.root,
            code_size=record.package.code_size,
            timeout_s=settings.timeout_s,
            memory_mb=settings.memory_mb,
            ephemeral_storage_mb=settings.ephemeral_storage_mb,
            variables=MappingProxyType(dict(settings.variables or {})),
            layers=tuple(layer.as_layer() for layer in settings.layers),
            log_group=settings.logging.group,
            log_format=settings.logging.format,
            application_log_level=settings.logging.application_level,
            system_log_level=settings.logging.system_level,
            tracing=settings.tracing,
            architecture=settings.architecture,
            reserved_concurrency=self.reserved_concurrency,
            recursive_loop=self.recursive_loop,
        )


def timestamp(moment: float) -> str:
    """Epoch seconds as Lambda writes dates: 2026-01-31T12:00:00.000+0000."""
    written = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "+0000")
