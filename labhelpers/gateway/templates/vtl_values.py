"""Values of Velocity templates: their text, their truth, arithmetic, and the methods of Java that templates may call.

A template meets strings, numbers, booleans, null, lists, maps and `TemplateObject`s, never a Python object's own
attributes. Sizes are bounded, since a template runs on the event loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers import limits

_TEXT_MAX = limits.GATEWAY_PAYLOAD_BYTES_MAX
_ITEMS_MAX = 100_000
_BITS_MAX = 1_024


class TemplateError(Exception):
    """A template that cannot be parsed or run; the message says why, for the execution log."""


class TemplateObject:
    """An object of ours in a template (`$input`, `$util`, ...): only what it lists can be read or called."""

    def member(self, name: str) -> Any:
        """The value of `.name`; None if there is none."""
        return None

    def call(self, name: str, arguments: list[Any]) -> Any:
        """The result of `.name(arguments)`. TemplateError if there is no such method, or the arguments are wrong."""
        raise TemplateError(f"there is no method {name}")


class JsonList(list[Any]):
    """A list out of a JSON document: its text is JSON, as that of API Gateway's JSON library."""


class JsonMap(dict[str, Any]):
    """A map out of a JSON document: its text is Java's, and that of the lists in it JSON."""


def from_json(value: Any) -> Any:
    """A parsed JSON document as templates see it."""
    if isinstance(value, dict):
        return JsonMap((name, from_json(item)) for name, item in value.items())
    if isinstance(value, list):
        return JsonList(from_json(item) for item in value)
    return value


def json_text(value: Any) -> str:
    """A value as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=text)


# --- Text, truth, equality ---


def text(value: Any) -> str:
    """What a reference with this value leaves in the output: null leaves nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double_text(value)
    if isinstance(value, dict | list):
        return _container_text(value, _Room())
    return str(value) if isinstance(value, int) else ""


class _Room:
    """How many elements a text may still show: a list may hold itself twice, and those lists each again."""

    def __init__(self) -> None:
        self._left = _ITEMS_MAX

    def take(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TemplateError("a list or map is too large to be shown")


def _container_text(value: Any, room: _Room) -> str:
    room.take()
    if isinstance(value, JsonList):
        return json_text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(k)}={_container_text(v, room)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_container_text(item, room) for item in value) + "]"
    return "null" if value is None else text(value)


def _double_text(value: float) -> str:
    """Java's Double.toString: E notation below 0.001 and from 10,000,000 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = repr(value)
        return f"{value:f}".rstrip("0") if "e" in plain else plain
    digits, _, exponent = f"{value:.17e}".partition("e")
    short = repr(value)
    if "e" in short:
        digits, _, exponent = short.partition("e")
    else:
        whole = short.lstrip("-").replace(".", "").strip("0") or "0"
        digits = f"{'-' if value < 0 else ''}{whole[0]}.{whole[1:] or '0'}"
    return f"{digits if '.' in digits else digits + '.0'}E{int(exponent)}"


def truth(value: Any) -> bool:
    """What an `#if` makes of a value. AWS: null is true (recorded); only `false` is not."""
    return value is not False


def equal(one: Any, other: Any) -> bool:
    """`==`: numbers by value; null is the empty string, as a reference to nothing is in API Gateway."""
    one, other = ("" if one is None else one), ("" if other is None else other)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other or (type(one) is type(other) and bool(one == other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if type(one) is type(other) or (isinstance(one, dict | list) and isinstance(other, dict | list)):
        return bool(one == other)
    return text(one) == text(other)


def is_number(value: Any) -> bool:
    """Whether it is one; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(operator: str, one: Any, other: Any) -> bool:
    """`<` and the like: of numbers only; anything else is false."""
    if not (is_number(one) and is_number(other)):
        return False
    return bool(_COMPARISONS[operator](one, other))


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def arithmetic(operator: str, one: Any, other: Any) -> Any:
    """`+ - * / %` of numbers, `+` also of texts; null for what makes no sense. TemplateError if too large."""
    if not (is_number(one) and is_number(other)):
        return bounded(text(one) + text(other)) if operator == "+" else None
    if operator in "/%" and other == 0:
        return None
    result = _ARITHMETIC[operator](one, other)
    if isinstance(result, int) and result.bit_length() > _BITS_MAX:
        raise TemplateError("a number is too large")
    return result


def _divide(one: Any, other: Any) -> Any:
    if isinstance(one, float) or isinstance(other, float):
        return one / other
    whole = abs(one) // abs(other)  # Java rounds towards zero.
    return whole if (one < 0) == (other < 0) else -whole


def _remainder(one: Any, other: Any) -> Any:
    return (
        one - _divide(one, other) * other if isinstance(one, int) and isinstance(other, int) else one % other
    )


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": _remainder,
}


def bounded(made: str) -> str:
    """The text again. TemplateError if it is longer than a payload may be."""
    if len(made) > _TEXT_MAX:
        raise TemplateError("a text is longer than 10 MB")
    return made


# --- Members ---


def member(value: Any, name: str) -> Any:
    """`.name` of a value; None where there is nothing."""
    if isinstance(value, dict):
        return value.get(name)
    if isinstance(value, TemplateObject):
        return value.member(name)
    if name == "empty" and isinstance(value, list | str):
        return not value
    return None


def element(value: Any, index: Any) -> Any:
    """`[index]` of a value; None where there is nothing."""
    if isinstance(value, dict):
        return value.get(index if isinstance(index, str) else text(index))
    if isinstance(value, list):
        return _item(value, index)
    return member(value, index) if isinstance(index, str) else None


def assign(container: Any, key: Any, value: Any) -> None:
    """`#set($container.key = value)`. TemplateError where nothing can be set."""
    if isinstance(container, dict):
        check_room(container)
        container[key if isinstance(key, str) else text(key)] = value
    elif isinstance(container, list) and is_index(key) and 0 <= int(key) < len(container):
        container[int(key)] = value
    else:
        raise TemplateError(f"{text(key)!r} cannot be set")


def is_index(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _item(items: list[Any], index: Any) -> Any:
    return items[index] if is_index(index) and 0 <= index < len(items) else None


def check_room(items: list[Any] | dict[Any, Any], more: int = 1) -> None:
    """TemplateError if there is no room for more elements."""
    if len(items) + more > _ITEMS_MAX:
        raise TemplateError("a list or map has too many elements")
