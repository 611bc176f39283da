"""The methods of Java that templates may call on texts, numbers, lists and maps; nothing else can be called.

docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html names Java's String,
List and Map; what is here is what the recorded answers of AWS use, and their neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.gateway.templates.vtl_values import (
    TemplateError,
    TemplateObject,
    bounded,
    check_room,
    is_index,
    member,
    text,
)


def call(value: Any, name: str, arguments: list[Any]) -> Any:
    """`.name(arguments)`. TemplateError for a method that the value does not have; null has none, and gives null."""
    if isinstance(value, TemplateObject):
        return value.call(name, arguments)
    if value is None:
        return None
    for kind, methods in _METHODS:
        if isinstance(value, kind) and name in methods:
            try:
                return methods[name](value, *arguments)
            except TemplateError:
                raise
            except (TypeError, ValueError, IndexError, KeyError, AttributeError, re.error) as error:
                raise TemplateError(f"{name}: {error}") from error
    held = member(value, name)
    if name.startswith("get") and name[3:4].isupper() and not arguments:
        held = member(value, name[3].lower() + name[4:])
    if held is not None:
        return held
    raise TemplateError(f"there is no method {name} of {type(value).__name__}")


def _must_have(items: list[Any], index: int) -> Any:
    if not 0 <= index < len(items):
        raise TemplateError(f"Index: {index}, Size: {len(items)}")
    return items[index]


def _add(items: list[Any], *arguments: Any) -> bool | None:
    check_room(items)
    if len(arguments) == 2:
        items.insert(arguments[0], arguments[1])
        return None
    (value,) = arguments
    items.append(value)
    return True


def _add_all(items: list[Any], more: list[Any]) -> bool:
    check_room(items, len(more))
    items.extend(more)
    return bool(more)


def _set(items: list[Any], index: int, value: Any) -> Any:
    old = _must_have(items, index)
    items[index] = value
    return old


def _remove(items: list[Any], what: Any) -> Any:
    if is_index(what):
        old = _must_have(items, what)
        del items[what]
        return old
    found = what in items
    if found:
        items.remove(what)
    return found


def _put(items: dict[str, Any], key: Any, value: Any) -> Any:
    check_room(items)
    old = items.get(text(key))
    items[text(key)] = value
    return old


def _put_all(items: dict[str, Any], more: dict[str, Any]) -> None:
    check_room(items, len(more))
    items.update(more)


def _replace_all(subject: str, pattern: str, replacement: str) -> str:
    """Java's: groups in the replacement are `$1`, and a backslash takes the next character as it is."""
    return bounded(re.sub(pattern, _python_replacement(replacement), subject))


def _replace_first(subject: str, pattern: str, replacement: str) -> str:
    return re.sub(pattern, _python_replacement(replacement), subject, count=1)


def _python_replacement(replacement: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1] if found[1] != "\\" else r"\\"
        return rf"\g<{found[2]}>" if found[2] is not None else r"\\"

    return re.sub(r"\\(.)|\$(\d)|\\", one, replacement, flags=re.DOTALL)


def _split(subject: str, pattern: str, limit: int = 0) -> list[str]:
    parts = re.split(pattern, subject, maxsplit=limit - 1 if limit > 0 else 0)
    while limit == 0 and len(parts) > 1 and parts[-1] == "":
        parts.pop()
    return parts


def _substring(subject: str, start: int, end: int | None = None) -> str:
    stop = len(subject) if end is None else end
    if not 0 <= start <= stop <= len(subject):
        raise TemplateError(f"begin {start}, end {stop}, length {len(subject)}")
    return subject[start:stop]


def _hash_code(subject: str) -> int:
    """Java's: the same in every process, and 32 bits with a sign."""
    found = 0
    for unit in memoryview(subject.encode("utf-16-le", "surrogatepass")).cast("H"):
        found = (31 * found + unit) & 0xFFFFFFFF
    return found - (1 << 32) if found >> 31 else found


class _Entry(TemplateObject):
    """One pair of a map's entrySet()."""

    def __init__(self, key: str, value: Any) -> None:
        self._pair = {"key": key, "value": value}

    def member(self, name: str) -> Any:
        return self._pair.get(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        return self._pair.get(name.removeprefix("get").lower())


_METHODS: tuple[tuple[Any, Mapping[str, Callable[..., Any]]], ...] = (
    (
        str,
        {
            "length": len,
            "isEmpty": lambda s: not s,
            "replaceAll": _replace_all,
            "replaceFirst": _replace_first,
            "replace": lambda s, old, new: bounded(s.replace(text(old), text(new))),
            "startsWith": lambda s, prefix: s.startswith(text(prefix)),
            "endsWith": lambda s, suffix: s.endswith(text(suffix)),
            "contains": lambda s, part: text(part) in s,
            "indexOf": lambda s, part, start=0: s.find(text(part), start),
            "lastIndexOf": lambda s, part: s.rfind(text(part)),
            "substring": _substring,
            "matches": lambda s, pattern: re.fullmatch(pattern, s) is not None,
            "toLowerCase": lambda s: s.lower(),
            "toUpperCase": lambda s: s.upper(),
            "trim": lambda s: s.strip(),
            "split": _split,
            "concat": lambda s, more: bounded(s + more),
            "charAt": lambda s, index: s[index],
            "equals": lambda s, other: s == other,
            "equalsIgnoreCase": lambda s, other: isinstance(other, str) and s.lower() == other.lower(),
            "toString": text,
            "hashCode": _hash_code,
        },
    ),
    (
        list,
        {
            "size": len,
            "get": _must_have,
            "contains": lambda items, value: value in items,
            "add": _add,
            "addAll": _add_all,
            "isEmpty": lambda items: not items,
            "set": _set,
            "remove": _remove,
            "indexOf": lambda items, value: items.index(value) if value in items else -1,
            "clear": lambda items: items.clear(),
            "subList": lambda items, start, end: items[start:end],
            "iterator": list,
            "toString": text,
            "equals": lambda items, other: items == other,
        },
    ),
    (
        dict,
        {
            "size": len,
            "get": lambda items, key: items.get(text(key)),
            "getOrDefault": lambda items, key, default: items.get(text(key), default),
            "put": _put,
            "putAll": _put_all,
            "remove": lambda items, key: items.pop(text(key), None),
            "containsKey": lambda items, key: text(key) in items,
            "containsValue": lambda items, value: value in items.values(),
            "keySet": list,
            "values": lambda items: list(items.values()),
            "entrySet": lambda items: [_Entry(k, v) for k, v in items.items()],
            "isEmpty": lambda items: not items,
            "clear": lambda items: items.clear(),
            "toString": text,
            "equals": lambda items, other: items == other,
        },
    ),
    (
        (int, float),
        {
            "toString": text,
            "intValue": int,
            "longValue": int,
            "doubleValue": float,
            "equals": lambda n, other: type(n) is type(other) and n == other,
        },
    ),
)
