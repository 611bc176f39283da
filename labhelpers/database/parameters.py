"""The single parameters of RDS's calls and what RDS accepts for each; pure.

Parameters come flat, as RDS's query protocol carries them (`DBName`, `EnableCloudwatchLogsExports.member.1`).
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from labhelpers.database.installation import Installation, matching
from labhelpers.database.reserved_words import RESERVED
from labhelpers.errors import AwsError

ENGINE = "postgres"
INVALID_VALUE = "InvalidParameterValue"
INVALID_COMBINATION = "InvalidParameterCombination"
LOG_TYPES = ("postgresql", "upgrade")

Parameters = Mapping[str, str]

_IDENTIFIER = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9])*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PASSWORD = re.compile(r"[!#-.0-?A-~]*")  # Printable ASCII without the four characters that RDS names.
_STORAGE_GIB = {
    "gp2": (20, 65536),
    "gp3": (20, 65536),
    "io1": (100, 65536),
    "io2": (100, 65536),
    "standard": (5, 3072),
}
_PORTS = range(1150, 65536)

_RESERVED_DATABASES = RESERVED | {"template0", "template1"}


def family(installation: Installation) -> str:
    """The DBParameterGroupFamily of a PostgreSQL."""
    return f"{ENGINE}{installation.major}"


def required(parameters: Parameters, name: str) -> str:
    """A parameter that must be there."""
    if not (value := parameters.get(name, "")):
        raise AwsError(INVALID_VALUE, f"The parameter {name} must be provided and must not be blank.")
    return value


def is_true(parameters: Parameters, name: str) -> bool:
    """A flag as the query protocol writes it; absent is false."""
    return parameters.get(name, "").lower() == "true"


def engine_version(version: str, available: Sequence[Installation]) -> Installation:
    """The PostgreSQL that an EngineVersion asks for. AwsError when there is none here."""
    if (found := matching(version, available)) is None:
        here = " and ".join(each.version for each in available)
        raise AwsError(
            INVALID_COMBINATION, f"Cannot find version {version} for {ENGINE} (this lab runs {here})"
        )
    return found


def check_identifier(identifier: str) -> str:
    """The identifier as RDS keeps it: in small letters."""
    if len(identifier) > 63 or not _IDENTIFIER.fullmatch(identifier):
        raise AwsError(
            INVALID_VALUE,
            "The parameter DBInstanceIdentifier is not a valid identifier. Identifiers must begin with a letter; must "
            "contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two "
            "consecutive hyphens.",
        )
    return identifier.lower()


def check_storage(parameters: Parameters) -> None:
    """AllocatedStorage in GiB, within what its StorageType allows."""
    text = required(parameters, "AllocatedStorage")
    kind = parameters.get("StorageType") or ("io1" if parameters.get("Iops") else "gp2")
    if kind not in _STORAGE_GIB:
        raise AwsError(INVALID_VALUE, f"Invalid storage type: {kind}")
    least, most = _STORAGE_GIB[kind]
    if not text.isdigit() or not least <= int(text) <= most:
        raise AwsError(
            INVALID_COMBINATION,
            f"Invalid storage size for engine name {ENGINE} and storage type {kind}: {text}",
        )


def check_port(port: str) -> None:
    """The port that was asked for, if any.

    AWS: the instance listens on this port, 5432 by default. Here: on a free one, which `Endpoint` names, because all
    instances and the learner's own programs share this machine's address.
    """
    if port and (not port.isdigit() or int(port) not in _PORTS):
        raise AwsError(
            INVALID_VALUE, f"Invalid value {port} for Port: it must be from {_PORTS[0]} to {_PORTS[-1]}."
        )


def check_master_username(name: str) -> str:
    """A name that PostgreSQL and RDS leave to the learner."""
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise AwsError(
            INVALID_VALUE,
            "MasterUsername must begin with a letter and contain only alphanumeric characters or underscores, at "
            "most 63.",
        )
    if name.lower().startswith("pg_"):
        raise AwsError(
            INVALID_VALUE,
            f'MasterUsername {name} cannot be used because role names starting with "pg_" are reserved by the '
            "PostgreSQL engine",
        )
    if name.lower() in RESERVED:
        raise AwsError(
            INVALID_VALUE, f"MasterUsername {name} cannot be used as it is a reserved word used by the engine"
        )
    return name


def check_master_password(password: str) -> str:
    """8 to 128 printable ASCII characters, but for four."""
    what = "The parameter MasterUserPassword is not a valid password"
    if len(password) < 8:
        raise AwsError(INVALID_VALUE, f"{what} because it is shorter than 8 characters.")
    if len(password) > 128:
        raise AwsError(INVALID_VALUE, f"{what} because it is longer than 128 characters.")
    if not _PASSWORD.fullmatch(password):
        raise AwsError(
            INVALID_VALUE, f"{what}. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )
    return password


def check_database(name: str) -> str:
    """The first database's name; "" when there is none but `postgres`."""
    if not name or name == "postgres":  # Every instance has the database `postgres` anyway.
        return ""
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise AwsError(
            INVALID_VALUE, "DBName must begin with a letter and contain only alphanumeric characters."
        )
    if name.lower() in _RESERVED_DATABASES:
        raise AwsError(INVALID_VALUE, f"DBName {name} cannot be used. It is a reserved word for this engine")
    return name
