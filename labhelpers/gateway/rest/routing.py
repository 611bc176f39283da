"""Finds the method of a REST API that a request is for. Pure.

AWS (recorded): fixed parts beat `{name}`, which beats `{name+}`; a specific method beats ANY; where the best resource
has no such method, a less specific one that has it answers. The path stays encoded in its variables.
docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html
"""

from __future__ import annotations

from collections.abc import Mapping

from labhelpers.gateway.exchange import decode
from labhelpers.gateway.rest.settings import Method, Node

_SEGMENTS_MAX = 500


def split_stage(path: str) -> tuple[str, str]:
    """The stage that a raw path begins with, and the rest as the event's `path`: `/` at least, one leading slash.

    Slashes before the stage do not count, and of those after it only one does; all others stay.
    """
    stage, slash, rest = path.lstrip("/").partition("/")
    return stage, f"/{rest.lstrip('/')}" if slash else "/"


def find(root: Node, method: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    """The method for a path without its stage, and its path variables (raw); None if there is none."""
    segments = path.strip("/").split("/") if path.strip("/") else []
    if len(segments) > _SEGMENTS_MAX:
        return None
    return _descend(root, segments, 0, method)


def _descend(node: Node, segments: list[str], at: int, method: str) -> tuple[Method, dict[str, str]] | None:
    if at == len(segments):
        found = node.methods.get(method) or node.methods.get("ANY")
        return (found, {}) if found is not None else None
    segment = segments[at]
    child = node.literals.get(decode(segment) if "%" in segment else segment)
    if child is not None and (match := _descend(child, segments, at + 1, method)) is not None:
        return match
    if node.variable is not None and segment:
        name, child = node.variable
        if (match := _descend(child, segments, at + 1, method)) is not None:
            match[1][name] = segment
            return match
    if node.greedy is not None:
        name, child = node.greedy
        if (found := child.methods.get(method) or child.methods.get("ANY")) is not None:
            return found, {name: "/".join(segments[at:])}
    return None


def path_variables(resource_path: str, path: str) -> dict[str, str]:
    """The variables of a resource's path in a given one; none where it does not fit (test_invoke_method)."""
    wanted = resource_path.strip("/").split("/")
    given = path.strip("/").split("/")
    found: dict[str, str] = {}
    for at, part in enumerate(wanted):
        if part.endswith("+}"):
            found[part[1:-2]] = "/".join(given[at:])
            return found if len(given) > at else {}
        if at >= len(given):
            return {}
        if part.startswith("{"):
            found[part[1:-1]] = given[at]
        elif part != given[at]:
            return {}
    return found if len(wanted) == len(given) else {}
