"""The constraints that AWS's services put on request members, worded as their validation words them.

A `Structure` describes a request; `check` raises one ValidationException that lists all that is wrong with it, and
SerializationException when a member has the wrong JSON type. Pure; the tables of requests are at the edge.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from labhelpers.errors import VALIDATION, AwsError

SERIALIZATION = "SerializationException"
NOT_NULL = "Member must not be null"


class Constraint(Protocol):
    """What a member of a request must satisfy."""

    def rules(self) -> list[str]:
        """All its rules as AWS words them, for lists and maps whose members must satisfy them."""
        ...

    def violations(self, value: Any, at: str) -> Iterator[str]:
        """What is wrong with `value` at path `at`, one sentence each; AwsError when its JSON type is wrong."""
        ...


def check(shape: Structure, request: Mapping[str, Any]) -> None:
    """Refuse a request that breaks a constraint: AwsError ValidationException (400) naming every one."""
    found = list(shape.violations(request, ""))
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise AwsError(VALIDATION, f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def text_of(value: Any) -> str:
    """A value as AWS's (Java's) error texts print it: `[a, b]`, `{k=v}`, `true`."""
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}={text_of(item)}' for key, item in value.items())}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _refusal(value: Any, at: str, rule: str) -> str:
    return f"Value '{text_of(value)}' at '{at}' failed to satisfy constraint: {rule}"


def _expect(value: Any, kind: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise AwsError(SERIALIZATION, f"{_json_kind(value)} can not be converted to {wanted}")


def _length_broken(length: int, least: int | None, most: int | None) -> Iterator[str]:
    if most is not None and length > most:
        yield f"Member must have length less than or equal to {most}"
    if least is not None and length < least:
        yield f"Member must have length greater than or equal to {least}"


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    kinds = {
        str: "STRING_VALUE",
        int: "NUMBER_VALUE",
        float: "DECIMAL_VALUE",
        list: "START_ARRAY",
        dict: "START_OBJECT",
    }
    return kinds.get(type(value), "VALUE_NULL")


@dataclass(frozen=True)
class Text:
    """A string of `min` to `max` characters that matches `pattern` as a whole.

    `java` is the pattern as AWS prints it, where Python's `re` needs another spelling.
    """

    min: int | None = None
    max: int | None = None
    pattern: str = ""
    java: str = ""

    @cached_property
    def _matches(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def rules(self) -> list[str]:
        lengths = [*_length_broken(sys.maxsize, None, self.max), *_length_broken(-1, self.min, None)]
        return [*lengths, self._pattern_rule] if self.pattern else lengths

    @property
    def _pattern_rule(self) -> str:
        return f"Member must satisfy regular expression pattern: {self.java or self.pattern}"

    def broken(self, value: str) -> Iterator[str]:
        yield from _length_broken(len(value), self.min, self.max)
        if self.pattern and not self._matches.fullmatch(value):
            yield self._pattern_rule

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, str, "a String")
        for rule in self.broken(value):
            yield _refusal(value, at, rule)


@dataclass(frozen=True)
class Choice:
    """One of `values`, in the order in which AWS lists them."""

    values: tuple[str, ...]

    def rules(self) -> list[str]:
        return [f"Member must satisfy enum value set: [{', '.join(self.values)}]"]

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, str, "a String")
        if value not in self.values:
            yield _refusal(value, at, self.rules()[0])


@dataclass(frozen=True)
class Number:
    """A whole number, or with `fraction` any, from `min` to `max`."""

    min: float | None = None
    max: float | None = None
    fraction: bool = False

    def rules(self) -> list[str]:
        rules = []
        if self.max is not None:
            rules.append(f"Member must have value less than or equal to {self.max}")
        if self.min is not None:
            rules.append(f"Member must have value greater than or equal to {self.min}")
        return rules

    def broken(self, value: float) -> Iterator[str]:
        if self.max is not None and value > self.max:
            yield f"Member must have value less than or equal to {self.max}"
        if self.min is not None and value < self.min:
            yield f"Member must have value greater than or equal to {self.min}"

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, (int, float) if self.fraction else int, "a Double" if self.fraction else "an Integer")
        for rule in self.broken(value):
            yield _refusal(value, at, rule)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def rules(self) -> list[str]:
        return []

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, bool, "a Boolean")
        yield from ()


@dataclass(frozen=True)
class ListOf:
    """A list of `min` to `max` members. `shown`: what AWS names, without its usual frame, when it refuses one."""

    member: Constraint
    min: int | None = None
    max: int | None = None
    shown: Constraint | None = None

    def rules(self) -> list[str]:
        return Text(self.min, self.max).rules()

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, list, "a List")
        for rule in _length_broken(len(value), self.min, self.max):
            yield _refusal(value, at, rule)
        if any(True for item in value for _ in self.member.violations(item, at)):
            framed = f"Member must satisfy constraint: [{', '.join([*self.member.rules(), NOT_NULL])}]"
            yield _refusal(value, at, self.shown.rules()[0] if self.shown else framed)


@dataclass(frozen=True)
class MapOf:
    """A map; `secret` keeps its values out of error texts."""

    key: Text
    value: Constraint
    secret: bool = False
    decimal: bool = False

    def rules(self) -> list[str]:
        return []

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, dict, "a Map")
        where = f"Value at '{at}'" if self.secret else f"Value '{self._shown(value)}' at '{at}'"
        if any(True for key in value for _ in self.key.violations(key, at)):
            rules = ", ".join(self.key.rules())
            yield f"{where} failed to satisfy constraint: Map keys must satisfy constraint: [{rules}]"
        if any(True for item in value.values() for _ in self.value.violations(item, at)):
            rules = ", ".join([*self.value.rules(), NOT_NULL])
            yield f"{where} failed to satisfy constraint: Map value must satisfy constraint: [{rules}]"

    def _shown(self, value: Mapping[str, Any]) -> str:
        return text_of({key: float(item) if self.decimal else item for key, item in value.items()})


@dataclass(frozen=True)
class Structure:
    """Members by their JSON name. Members that are null or unknown are as if absent."""

    members: Mapping[str, Constraint]
    required: tuple[str, ...] = field(default=())

    def rules(self) -> list[str]:
        return []

    def violations(self, value: Any, at: str) -> Iterator[str]:
        _expect(value, dict, "a Structure")
        for name, constraint in self.members.items():
            path = f"{at}.{_camel(name)}" if at else _camel(name)
            member = value.get(name)
            if member is not None:
                yield from constraint.violations(member, path)
            elif name in self.required:
                yield f"Value null at '{path}' failed to satisfy constraint: {NOT_NULL}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
