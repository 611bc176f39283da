"""What RDS accepts for a DB instance as a whole: the calls that make, change and delete one; pure.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labhelpers.database.installation import Installation, matching
from labhelpers.database.instance_classes import check_class
from labhelpers.database.not_emulated import check_engine, refuse_groups, refuse_not_emulated
from labhelpers.database.parameters import (
    ENGINE,
    INVALID_COMBINATION,
    INVALID_VALUE,
    LOG_TYPES,
    Parameters,
    check_database,
    check_identifier,
    check_master_password,
    check_master_username,
    check_port,
    check_storage,
    engine_version,
    is_true,
    required,
)
from labhelpers.errors import AwsError, NotEmulated

# AWS: some of these do something. Here: they are kept and described, because nothing of it would show to a client.
_KEPT = (
    "AllocatedStorage",
    "AutoMinorVersionUpgrade",
    "AvailabilityZone",
    "BackupRetentionPeriod",
    "CACertificateIdentifier",
    "CopyTagsToSnapshot",
    "DeletionProtection",
    "Iops",
    "KmsKeyId",
    "MaxAllocatedStorage",
    "PreferredBackupWindow",
    "PreferredMaintenanceWindow",
    "PubliclyAccessible",
    "StorageEncrypted",
    "StorageThroughput",
    "StorageType",
)


@dataclass(frozen=True, slots=True)
class NewInstance:
    """A DB instance as it was asked for and accepted. `database` is "" when only `postgres` is wanted.

    `settings` are the parameters that RDS keeps and describes, and that change nothing of a server on this machine.
    """

    identifier: str
    installation: Installation
    instance_class: str
    master_username: str
    master_password: str = field(repr=False)
    database: str = ""
    exports_log: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What ModifyDBInstance asks of the server itself; "" and None leave a setting as it is."""

    master_password: str = field(default="", repr=False)
    instance_class: str = ""
    exports_log: bool | None = None
    at_once: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


def new_instance(parameters: Parameters, available: Sequence[Installation]) -> NewInstance:
    """Read CreateDBInstance's parameters. AwsError as RDS words it; NotEmulated for what the lab leaves out."""
    check_engine(required(parameters, "Engine"))
    refuse_not_emulated(parameters)
    name = check_identifier(required(parameters, "DBInstanceIdentifier"))
    installation = engine_version(parameters.get("EngineVersion", ""), available)
    refuse_groups(parameters, installation)
    instance_class = required(parameters, "DBInstanceClass")
    check_class(instance_class, installation.version)
    check_storage(parameters)
    check_port(parameters.get("Port", ""))
    license_model = parameters.get("LicenseModel", "postgresql-license")
    if license_model != "postgresql-license":
        raise AwsError(INVALID_COMBINATION, f"Invalid license model '{license_model}' for engine '{ENGINE}'")
    return NewInstance(
        identifier=name,
        installation=installation,
        instance_class=instance_class,
        master_username=check_master_username(required(parameters, "MasterUsername")),
        master_password=check_master_password(required(parameters, "MasterUserPassword")),
        database=check_database(parameters.get("DBName", "")),
        exports_log=LOG_TYPES[0] in _log_types(parameters, "EnableCloudwatchLogsExports"),
        settings=_kept(parameters),
        tags=tags(parameters),
    )


def change(parameters: Parameters, running: Installation, storage_gib: int) -> Change:
    """Read ModifyDBInstance's parameters for an instance of `running` with `storage_gib` GiB. Errors as above."""
    refuse_not_emulated(parameters)
    version = parameters.get("EngineVersion", "")
    if matching(version, [running]) is None:
        raise NotEmulated(f"upgrading a DB instance from PostgreSQL {running.version} to {version}")
    refuse_groups(parameters, running)
    instance_class = parameters.get("DBInstanceClass", "")
    if instance_class:
        check_class(instance_class, running.version)
    if "AllocatedStorage" in parameters:
        check_storage(parameters)
        if int(parameters["AllocatedStorage"]) < storage_gib:
            raise AwsError(
                INVALID_COMBINATION,
                f"Invalid storage size for engine name {ENGINE}: allocated storage can grow, not shrink "
                f"(now {storage_gib}, asked for {parameters['AllocatedStorage']}).",
            )
    password = parameters.get("MasterUserPassword")
    prefix = "CloudwatchLogsExportConfiguration"
    exports: bool | None = None
    if LOG_TYPES[0] in _log_types(parameters, f"{prefix}.DisableLogTypes"):
        exports = False
    if LOG_TYPES[0] in _log_types(parameters, f"{prefix}.EnableLogTypes"):
        exports = True
    return Change(
        master_password="" if password is None else check_master_password(password),
        instance_class=instance_class,
        exports_log=exports,
        at_once=is_true(parameters, "ApplyImmediately"),
        settings=_kept(parameters),
    )


def check_deletion(parameters: Parameters) -> None:
    """RDS deletes a DB instance only with a final snapshot, which the lab has not, or when told to do without."""
    skip, final = is_true(parameters, "SkipFinalSnapshot"), parameters.get("FinalDBSnapshotIdentifier", "")
    if not skip and not final:
        raise AwsError(
            INVALID_COMBINATION,
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
        )
    if skip and final:
        raise AwsError(
            INVALID_COMBINATION, "You cannot specify both FinalDBSnapshotIdentifier and SkipFinalSnapshot"
        )
    refuse_not_emulated(parameters)


def tags(parameters: Parameters) -> dict[str, str]:
    """The tags of a request: `Tags.Tag.1.Key`, `Tags.Tag.1.Value`."""
    found = {}
    for name, key in parameters.items():
        if match := re.fullmatch(r"(Tags\.[A-Za-z]+\.\d+)\.Key", name):
            found[key] = parameters.get(f"{match[1]}.Value", "")
    return found


def _kept(parameters: Parameters) -> dict[str, str]:
    days = parameters.get("BackupRetentionPeriod", "1")
    if not days.isdigit() or int(days) > 35:
        raise AwsError(INVALID_VALUE, f"Invalid backup retention period: {days}. Must be between 0 and 35.")
    return {name: parameters[name] for name in _KEPT if parameters.get(name)}


def _log_types(parameters: Parameters, name: str) -> list[str]:
    wanted = [value for key, value in parameters.items() if re.fullmatch(rf"{name}\.[A-Za-z]+\.\d+", key)]
    for each in wanted:
        if each not in LOG_TYPES:
            raise AwsError(
                INVALID_COMBINATION,
                f"You cannot use the log types '{each}' with engine version {ENGINE}. For supported log types, see "
                "the documentation.",
            )
    return wanted
