"""The tests that an event pattern makes on one value: equal, prefix, range, address, wildcard, ... Pure.

Called by `pattern_compiler`. A test takes a `Value` and answers whether it matches. Text tests see strings only, except
`anything_but`, which everything passes that is not among its own.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from labhelpers.events.pattern_json import PatternFault

# AWS compares numbers within these limits and to six decimals; anything else is no number to it.
MAX_NUMBER = 5_000_000_000
_MICRO = 1_000_000
_MASK_DIGITS = re.compile(r"[+-]?[0-9]+")
_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")


class Value(NamedTuple):
    """A leaf of an event: a string, or the text of a number, true, false or null."""

    is_string: bool
    text: str


Test = Callable[[Value], bool]


def string(test: Callable[[str], bool]) -> Test:
    """A test that strings alone can pass."""
    return lambda value: value.is_string and test(value.text)


def anything_but(tests: Iterable[Test]) -> Test:
    """Passed by every value that passes none of `tests`."""
    unwanted = tuple(tests)
    return lambda value: not any(test(value) for test in unwanted)


def equals(text: str) -> Test:
    """A string of this text; an address is the same however it is written."""
    address = _address(text)
    if address is None:
        return Value(True, text).__eq__
    return string(lambda given: _address(given) == address)


def word(text: str) -> Test:
    """true, false or null."""
    return Value(False, text).__eq__


def number(text: str) -> Test:
    """A number of this value; one outside AWS's limits must be written the same."""
    same = Value(False, text)
    micros = micros_of(text)
    if micros is None:
        return same.__eq__
    return lambda value: value == same or (not value.is_string and micros_of(value.text) == micros)


def prefix(text: str) -> Test:
    """A string that begins with `text`."""
    return string(lambda given: given.startswith(text))


def suffix(text: str) -> Test:
    """A string that ends with `text`."""
    return string(lambda given: given.endswith(text))


def equals_ignore_case(text: str) -> Test:
    """A string of this text in any case."""
    wanted = text.lower()
    return string(lambda given: given.lower() == wanted)


def prefix_ignore_case(text: str) -> Test:
    """A string that begins with `text` in any case."""
    wanted = text.lower()
    return string(lambda given: given.lower().startswith(wanted))


def suffix_ignore_case(text: str) -> Test:
    """A string that ends with `text` in any case."""
    wanted = text.lower()
    return string(lambda given: given.lower().endswith(wanted))


def exists(_: Value) -> bool:
    """Whatever is there."""
    return True


# --- Numbers ---


def micros_of(text: str) -> int | None:
    """A number in millionths, or None for what AWS does not compare as a number."""
    try:
        return _micros(text)
    except (PatternFault, InvalidOperation):
        return None


def limit(text: str) -> int:
    """A number of a pattern in millionths. PatternFault outside AWS's limits."""
    try:
        return _micros(text)
    except InvalidOperation:
        raise PatternFault(f"{text} is no number") from None


def _micros(text: str) -> int:
    value = Decimal(text)
    if not value.is_finite() or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise PatternFault("Value must be between -5.0E9 and 5.0E9, inclusive")
    scaled = value.scaleb(6)
    if scaled != scaled.to_integral_value():
        raise PatternFault(f"Only values upto 6 decimals are supported: {text}")
    return int(scaled)


def between(low: int | None, low_open: bool, high: int | None, high_open: bool) -> Test:
    """A number between two in millionths; None stands for AWS's own limit."""
    bottom = -MAX_NUMBER * _MICRO if low is None else low + low_open
    top = MAX_NUMBER * _MICRO if high is None else high - high_open

    def test(value: Value) -> bool:
        if value.is_string:
            return False
        micros = micros_of(value.text)
        return micros is not None and bottom <= micros <= top

    return test


# --- Addresses ---


def _address(text: str) -> tuple[int, int] | None:
    """(4 or 6, the number) of an IP address, or None for any other text."""
    if not (_IPV4.fullmatch(text) or _IPV6.fullmatch(text)):
        return None
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.version, int(found)


def cidr(text: str) -> Test:
    """An address in the block `text`, from the address that it names upwards. PatternFault for a malformed block."""
    parts = text.split("/")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    if len(parts) != 2:
        raise PatternFault("Malformed CIDR, one '/' required")
    if not _MASK_DIGITS.fullmatch(parts[1]):
        raise PatternFault("Malformed CIDR, mask bits must be an integer")
    bits = int(parts[1])
    if bits < 0:
        raise PatternFault("Malformed CIDR, mask bits must not be negative")
    address = _address(parts[0])
    if address is None:
        looks_right = _IPV4.fullmatch(parts[0]) or _IPV6.fullmatch(parts[0])
        raise PatternFault(f"{'Invalid' if looks_right else 'Nonstandard'} IP address: {parts[0]}")
    version, bottom = address
    width = 32 if version == 4 else 128
    if bits >= width:
        raise PatternFault(f"IPv{version} mask bits must be < {width}")
    top = bottom | ((1 << (width - bits)) - 1)

    def inside(given: str) -> bool:
        found = _address(given)
        return found is not None and found[0] == version and bottom <= found[1] <= top

    return string(inside)


# --- Wildcards ---

ANY = "*any*"
Pieces = tuple[str, ...]


def wildcard_pieces(text: str) -> Pieces:
    r"""The characters of a wildcard pattern with `ANY` for each `*`; `\*` and `\\` are plain. PatternFault."""
    pieces: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "*":
            if text[at + 1 : at + 2] == "*":
                raise PatternFault(f"Consecutive wildcard characters at pos {_place(text, at)}")
            char = ANY
        elif char == "\\":
            at += 1
            char = text[at : at + 1]
            if char not in ("*", "\\"):
                raise PatternFault(f"Invalid escape character at pos {_place(text, at - 1)}")
        pieces.append(char)
        at += 1
    return tuple(pieces)


def _place(text: str, at: int) -> int:
    """Where AWS says that it is: counted in bytes, and behind the quote that its own form of a string opens with."""
    return len(text[:at].encode("utf-8", "surrogatepass")) + 1


def wildcard(pieces: Pieces) -> Test:
    """A string of this form."""
    runs: list[str] = [""]
    for piece in pieces:
        if piece is ANY:
            runs.append("")
        else:
            runs[-1] += piece
    first, *rest = runs
    if not rest:
        return Value(True, first).__eq__

    def fits(given: str) -> bool:
        # The earliest place for each run is always a good one, so nothing is tried twice.
        if not given.startswith(first):
            return False
        at = len(first)
        for run in rest[:-1]:
            found = given.find(run, at)
            if found < 0:
                return False
            at = found + len(run)
        return len(given) - at >= len(rest[-1]) and given.endswith(rest[-1])

    return string(fits)


def is_too_complex(patterns: Iterable[Pieces], most: int) -> bool:
    """Whether some text would keep `most` or more beginnings of wildcard patterns of one field open at once."""
    forms = [pieces for pieces in patterns if ANY in pieces]
    alphabet = {piece for pieces in forms for piece in pieces if piece is not ANY} | {"\0other"}
    start = frozenset((form, at) for form, pieces in enumerate(forms) for at in _reach(pieces, 0))
    seen, waiting = {start}, [start]
    while waiting and len(seen) < _MAX_SETS:
        places = waiting.pop()
        for char in alphabet:
            after = frozenset(
                (form, then) for form, at in places for then in _step(forms[form], at, char) if then
            )
            if _open(forms, after) >= most:
                return True
            if after and after not in seen:
                seen.add(after)
                waiting.append(after)
    return False


_MAX_SETS = 2_000


def _reach(pieces: Pieces, at: int) -> tuple[int, ...]:
    """Where one stands who is before piece `at`: a wildcard may also be empty."""
    if at < len(pieces) and pieces[at] is ANY:
        return (at, at + 1)
    return (at,)


def _step(pieces: Pieces, at: int, char: str) -> tuple[int, ...]:
    if at >= len(pieces):
        return ()
    if pieces[at] is ANY:
        return _reach(pieces, at)
    return _reach(pieces, at + 1) if pieces[at] == char else ()


def _open(forms: list[Pieces], places: Iterable[tuple[int, int]]) -> int:
    """How many beginnings of patterns, with a wildcard in them, a text has that stands at `places`."""
    return sum(1 for form, at in places if ANY in forms[form][: at + 1])
