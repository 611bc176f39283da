"""The condition operators of IAM policies. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from labhelpers.iam.patterns import Context, arn_like, fill, like, plain

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

# Whether one value of a request fits one value of a policy.
Fits = Callable[[str, str], bool]


class Quantifier(Enum):
    """How a condition on a key with several values is meant."""

    NONE = ""
    ANY = "foranyvalue"
    ALL = "forallvalues"


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of a Condition element. `operator` is in lower case, without its quantifier and without IfExists."""

    operator: str
    key: str
    values: tuple[str, ...]
    quantifier: Quantifier = Quantifier.NONE
    if_exists: bool = False

    def holds(self, context: Context, *, variables: bool = True) -> bool:
        """Whether it holds for the values of a request; a key that the request has not counts as AWS says."""
        given = context.get(self.key, ())
        if self.operator == "null":
            return any((not given) is (value.lower() == "true") for value in self.values)
        negated, fits = _OPERATORS[self.operator]
        if not given:
            # A negated operator holds for a missing key; ForAnyValue needs a value.
            if self.quantifier is Quantifier.ANY:
                return self.if_exists
            return self.if_exists or negated or self.quantifier is Quantifier.ALL
        wanted = [v for v in (fill(v, context) if variables else v for v in self.values) if v is not None]
        results = [any(fits(value, each) for each in wanted) is not negated for value in given]
        return (
            all(results) if self.quantifier is Quantifier.ALL or (negated and self._single) else any(results)
        )

    @property
    def _single(self) -> bool:
        return self.quantifier is Quantifier.NONE


def read_operator(text: str) -> tuple[str, Quantifier, bool]:
    """`ForAnyValue:StringLikeIfExists` -> ("stringlike", ANY, True). ValueError for one that IAM does not have."""
    prefix, _, name = text.lower().rpartition(":")
    quantifier = Quantifier(prefix) if prefix in ("", "foranyvalue", "forallvalues") else None
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    if quantifier is None or name not in OPERATORS or (name == "null" and if_exists):
        raise ValueError(f"Invalid condition operator: {text}")
    return name, quantifier, if_exists


def read_time(text: str) -> float | None:
    """A moment in epoch seconds, of ISO 8601 or epoch text; None for anything else."""
    if re.fullmatch(r"\d+(\.\d+)?", text) and len(text) > 4:
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _compared(read: Callable[[str], float | None], compare: Callable[[float, float], bool]) -> Fits:
    def fits(given: str, wanted: str) -> bool:
        left, right = read(given), read(plain(wanted))
        return left is not None and right is not None and compare(left, right)

    return fits


def _in_network(given: str, wanted: str) -> bool:
    try:
        return ipaddress.ip_address(given) in ipaddress.ip_network(plain(wanted), strict=False)
    except ValueError:
        return False


def _same_bytes(given: str, wanted: str) -> bool:
    try:
        return base64.b64decode(given, validate=True) == base64.b64decode(plain(wanted), validate=True)
    except (binascii.Error, ValueError):
        return False


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "equals": lambda a, b: a == b,
    "lessthan": lambda a, b: a < b,
    "lessthanequals": lambda a, b: a <= b,
    "greaterthan": lambda a, b: a > b,
    "greaterthanequals": lambda a, b: a >= b,
}
_POSITIVE: Mapping[str, Fits] = {
    "stringequals": lambda given, wanted: given == plain(wanted),
    "stringequalsignorecase": lambda given, wanted: given.casefold() == plain(wanted).casefold(),
    "stringlike": lambda given, wanted: like(wanted, given),
    **{f"numeric{name}": _compared(_number, compare) for name, compare in _COMPARISONS.items()},
    **{f"date{name}": _compared(read_time, compare) for name, compare in _COMPARISONS.items()},
    "bool": lambda given, wanted: given.lower() == plain(wanted).lower(),
    "binaryequals": _same_bytes,
    "ipaddress": _in_network,
    "arnequals": lambda given, wanted: arn_like(wanted, given),
    "arnlike": lambda given, wanted: arn_like(wanted, given),
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}
_OPERATORS: Mapping[str, tuple[bool, Fits]] = {
    **{name: (False, fits) for name, fits in _POSITIVE.items()},
    **{name: (True, _POSITIVE[other]) for name, other in _NEGATED.items()},
}
OPERATORS = frozenset({*_OPERATORS, "null"})
