"""What a rule's target receives of an event: all of it, one path of it, a constant, or a filled template. Pure.

Called by `eventbridge_rules` when targets are read, and by `triggers.event_bus` for each delivery. Templates:
- A template of a JSON object or array takes values as JSON; within quotes, text as it stands there.
- Any other template is text: objects lose their quotes in it, as AWS writes them.
- What the event lacks is the empty text.
AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.errors import VALIDATION, AwsError

MAX_VARIABLES = 100
RULE_ARN, RULE_NAME = "aws.events.rule-arn", "aws.events.rule-name"
INGESTION_TIME = "aws.events.event.ingestion-time"
EVENT, EVENT_JSON = "aws.events.event", "aws.events.event.json"
RESERVED = frozenset({RULE_ARN, RULE_NAME, INGESTION_TIME, EVENT, EVENT_JSON})

_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_STEP = re.compile(r"\.(?P<name>[\w/-]+)|\.?\[(?P<index>\d+)\]|\.?\[?(?P<all>\*)\]?")
_MISSING = object()

Render = Callable[[Mapping[str, Any], "Occasion"], str]


class InvalidInput(ValueError):
    """What a template came to is no JSON, so no target can take it."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """For which rule an event is rendered, and when the bus received it (as text)."""

    rule_arn: str
    rule_name: str
    ingestion_time: str


def compact(value: Any) -> str:
    """JSON as AWS sends it: no spaces, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def whole(event: Mapping[str, Any], _: Occasion) -> str:
    """The event as it is."""
    return compact(event)


def constant(text: str, target_id: str) -> Render:
    """The target's Input. AwsError ValidationException unless it is JSON."""
    _check_json(text, f"JSON syntax error in input for target {target_id}.")
    return lambda event, occasion: text


def part(path: str, target_id: str) -> Render:
    """What the target's InputPath leads to; null where the event has nothing there."""
    steps = _read_path(path, f"Invalid InputPath for target {target_id}.")

    def render(event: Mapping[str, Any], _: Occasion) -> str:
        found = _follow(event, steps)
        return compact(None if found is _MISSING else found)

    return render


def transformer(settings: Mapping[str, Any], target_id: str) -> Render:
    """The target's InputTransformer. AwsError ValidationException for what AWS refuses."""
    template = str(settings.get("InputTemplate", ""))
    paths = settings.get("InputPathsMap") or {}
    if len(paths) > MAX_VARIABLES:
        raise AwsError(
            VALIDATION, f"InputPathsMap for target {target_id} has over {MAX_VARIABLES} variables."
        )
    for name in paths:
        if name.lower().startswith("aws."):
            raise AwsError(
                VALIDATION, f"InputPathsMap for target {target_id} contains the reserved key {name}."
            )
    for name in _PLACEHOLDER.findall(template):
        if name not in paths and name not in RESERVED:
            raise AwsError(
                VALIDATION, f"InputTemplate for target {target_id} contains invalid placeholder {name}."
            )
    variables = {
        name: _read_path(str(path), f"Invalid InputPathsMap for target {target_id}.")
        for name, path in paths.items()
    }
    is_json = template.lstrip()[:1] in ("{", "[")
    made = _Template(template, is_json)
    if is_json:
        blank = made.fill(lambda name: "")
        _check_json(blank, f"Invalid InputTemplate for target {target_id} : {template}")

    def render(event: Mapping[str, Any], occasion: Occasion) -> str:
        text = made.fill(lambda name: _value(name, variables, event, occasion))
        if is_json:
            try:
                json.loads(text)
            except (ValueError, RecursionError):
                raise InvalidInput(f"the filled InputTemplate is no JSON: {text[:200]}") from None
        return text

    return render


def _check_json(text: str, complaint: str) -> None:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        raise AwsError(VALIDATION, complaint) from None


# --- Templates ---


class _Template:
    """A template cut at its placeholders."""

    def __init__(self, template: str, is_json: bool) -> None:
        self._is_json = is_json
        self._pieces = list(_pieces(template))
        self._alone = len(self._pieces) == 1 and self._pieces[0][1] is not None

    def fill(self, value_of: Callable[[str], Any]) -> str:
        """The template with the values of its variables; `_MISSING` for those that the event lacks."""
        return "".join(
            text if name is None else self._written(value_of(name), quoted)
            for text, name, quoted in self._pieces
        )

    def _written(self, value: Any, quoted: bool) -> str:
        if value is _MISSING:
            value = ""
        if isinstance(value, str):
            if quoted:
                return json.dumps(value, ensure_ascii=False)[1:-1]
            return compact(value) if self._is_json or self._alone else value
        text = compact(value)
        return text.replace('"', "") if quoted and not self._is_json else text


def _pieces(template: str) -> Iterator[tuple[str, str | None, bool]]:
    """(text, None, False) and ("", variable, whether it stands within quotes), in order."""
    at, quoted = 0, False
    for found in _PLACEHOLDER.finditer(template):
        text = template[at : found.start()]
        if text:
            yield text, None, False
        quoted ^= bool(len(re.findall(r'(?<!\\)"', text)) % 2)
        yield "", found[1], quoted
        at = found.end()
    if at < len(template):
        yield template[at:], None, False


def _value(
    name: str, variables: Mapping[str, tuple[Any, ...]], event: Mapping[str, Any], occasion: Occasion
) -> Any:
    if name in variables:
        return _follow(event, variables[name])
    if name == EVENT_JSON:
        return event
    if name == EVENT:
        return _without_detail(event)
    facts = {
        RULE_ARN: occasion.rule_arn,
        RULE_NAME: occasion.rule_name,
        INGESTION_TIME: occasion.ingestion_time,
    }
    return facts[name]


# AWS writes the event without its detail in an order and with a spelling of its own.
_BRIEF = ("id", "account", "detail-type", "time", "source", "region", "resources", "version")


def _without_detail(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"detailType" if name == "detail-type" else name: event[name] for name in _BRIEF if name in event}


# --- Paths ---


def _read_path(path: str, complaint: str) -> tuple[Any, ...]:
    """The steps of a JSON path in dot notation: names, indices, and None for every element."""
    if not path.startswith("$"):
        raise AwsError(VALIDATION, complaint)
    steps: list[Any] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise AwsError(VALIDATION, complaint)
        if found["name"] is not None:
            steps.append(found["name"])
        else:
            steps.append(None if found["all"] else int(found["index"]))
        at = found.end()
    return tuple(steps)


def _follow(value: Any, steps: tuple[Any, ...]) -> Any:
    for number, step in enumerate(steps):
        if step is None:
            elements = list(value.values()) if isinstance(value, Mapping) else value
            if not isinstance(elements, list):
                return _MISSING
            found = [_follow(element, steps[number + 1 :]) for element in elements]
            return [one for one in found if one is not _MISSING]
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return _MISSING
        elif not isinstance(value, Mapping) or step not in value:
            return _MISSING
        value = value[step]
    return value
