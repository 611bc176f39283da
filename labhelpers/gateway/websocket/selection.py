"""Selection expressions such as `$request.body.action` and `${request.body.a.b}-beta`. Pure; parsed once.

docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-selection-expressions.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

# What a variable (without `$`) stands for; None for what is not there.
Lookup = Callable[[str], Any]

_PART = re.compile(
    r"\\\$"  # a dollar that is meant
    r"|\$\{(?P<braced>[^}]*)\}"
    r"|\$(?P<plain>[A-Za-z_][\w-]*(?:\.[\w$-]+|\[\d+\])*)"
)


class Selection:
    """One expression. `evaluate` gives its key, or None when a variable in it has no value."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[bool, str]] = []
        start = 0
        for found in _PART.finditer(text):
            self._literal(text[start : found.start()])
            name = found["braced"] if found["braced"] is not None else found["plain"]
            if name is None:
                self._literal("$")
            elif name == "default":  # AWS: `$default` itself is a key, not a variable.
                self._literal("$default")
            else:
                self._parts.append((True, name))
            start = found.end()
        self._literal(text[start:])

    def _literal(self, text: str) -> None:
        if text:
            self._parts.append((False, text))

    @property
    def variables(self) -> list[str]:
        """The variables in it, without `$`."""
        return [text for is_variable, text in self._parts if is_variable]

    def evaluate(self, lookup: Lookup) -> str | None:
        """The key that the expression gives; None when there is none."""
        found = []
        for is_variable, text in self._parts:
            if not is_variable:
                found.append(text)
                continue
            value = _as_key(lookup(text))
            if value is None:
                return None
            found.append(value)
        return "".join(found)


def _as_key(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))


def body_value(body: Any, path: str) -> Any:
    """The value at `a.b[0].c` of a decoded body; None where there is none."""
    value = body
    for step in re.findall(r"[^.\[\]]+", path.removeprefix("$")):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def read_json(data: bytes | str) -> Any:
    """A message's body as JSON; None for anything else."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def request_lookup(body: Any) -> Lookup:
    """Variables of a message: `request.body.x`."""

    def find(name: str) -> Any:
        return body_value(body, name[len("request.body.") :]) if name.startswith("request.body.") else None

    return find
