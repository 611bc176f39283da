"""EventBridge in moto: mends what a target receives when its rule does not transform the event.

moto's own template leaves the account out. Runs on moto's thread only.
"""

from __future__ import annotations

import functools
import inspect
from importlib import import_module
from typing import Any

_MEMBERS = ("version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail")


def mend() -> None:
    """Import moto's events and have an untransformed event arrive whole."""
    utils: Any = import_module("moto.events.utils")
    parser = utils.EventTemplateParser
    transform = inspect.unwrap(parser.parse)

    @functools.wraps(transform)
    def parse(input_template: str, input_paths_map: dict[str, Any], event: dict[str, Any]) -> Any:
        if input_template:
            return transform(input_template, input_paths_map, event)
        return {name: event[name] for name in _MEMBERS}

    parser.parse = staticmethod(parse)
