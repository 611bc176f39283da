"""DB instance classes and what follows from their memory; pure.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html (seen November 2026)
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from labhelpers.errors import AwsError

_GIB = 1 << 30
_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
# Memory of `large` in GiB by the letter of the family; other sizes are multiples of it.
_LARGE_GIB = {"m": 8, "r": 16, "x": 32}
_SIZES = {"large": 1} | {f"{n or ''}xlarge": 2 * (n or 1) for n in (0, 2, 4, 8, 12, 16, 24, 32)}
_BURSTABLE = ("t3", "t4g")
_OTHERS = (
    *("m5", "m5d", "m6g", "m6gd", "m6i", "m6id", "m7g", "m7i", "m8g"),
    *("r5", "r5b", "r5d", "r6g", "r6gd", "r6i", "r6id", "r7g", "r7i", "r8g", "x2g"),
)
# RDS knows these too, but runs no current PostgreSQL on them.
_OUTDATED = re.compile(r"db\.(t1|t2|m1|m2|m3|m4|r3|r4|cr1|x1|x1e|z1d)\.[0-9a-z]+|db\.serverless")

# PostgreSQL's default parameter group: LEAST({DBInstanceClassMemory/9531392}, 5000).
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections
_BYTES_PER_CONNECTION = 9_531_392
_MOST_CONNECTIONS = 5_000


def known_classes() -> Iterator[str]:
    """The name of every class that runs PostgreSQL."""
    for family in _BURSTABLE:
        yield from (f"db.{family}.{size}" for size in _BURSTABLE_GIB)
    for family in _OTHERS:
        yield from (f"db.{family}.{size}" for size in _SIZES)


def memory_bytes(name: str) -> int:
    """The memory of a class. AwsError InvalidParameterValue for an unknown one."""
    _, family, size = [*name.split("."), "", ""][:3]
    if name.count(".") == 2 and name.startswith("db."):
        if family in _BURSTABLE and size in _BURSTABLE_GIB:
            return _BURSTABLE_GIB[size] * _GIB
        if family in _OTHERS and size in _SIZES:
            return _LARGE_GIB[family[0]] * _SIZES[size] * _GIB
    raise AwsError("InvalidParameterValue", f"Invalid DB Instance class: {name}")


def check_class(name: str, engine_version: str) -> None:
    """AwsError unless the class exists and runs this PostgreSQL."""
    if _OUTDATED.fullmatch(name):
        raise AwsError(
            "InvalidParameterCombination",
            "RDS does not support creating a DB instance with the following combination: "
            f"DBInstanceClass={name}, Engine=postgres, EngineVersion={engine_version}, "
            "LicenseModel=postgresql-license. For supported combinations of instance class and database engine "
            "version, see the documentation.",
        )
    memory_bytes(name)


def max_connections(name: str) -> int:
    """How many connections PostgreSQL takes on this class, as RDS computes it by default.

    AWS: DBInstanceClassMemory is the class's memory less what RDS itself needs (some hundred MB, not published).
    Here: all of the class's memory, because that is the figure that a reader can compute: 112 for one GiB.
    """
    return min(memory_bytes(name) // _BYTES_PER_CONNECTION, _MOST_CONNECTIONS)
