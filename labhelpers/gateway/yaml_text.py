"""YAML of imported documents. Pure."""

from __future__ import annotations

from typing import Any

_VALUES_MAX = 300_000


def read_yaml(text: str) -> Any:
    """The value that YAML text stands for. ValueError if it is none, or if its aliases make it endless or huge."""
    import yaml

    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from error
    _check_size(found)
    return found


def _check_size(value: Any) -> None:
    """ValueError for more values than any document has: YAML's aliases make much out of little."""
    count, rest = 0, [value]
    while rest:
        each = rest.pop()
        count += 1
        if count > _VALUES_MAX:
            raise ValueError("the document is too large")
        rest.extend(each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
