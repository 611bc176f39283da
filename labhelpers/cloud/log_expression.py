"""The regular expressions of CloudWatch Logs' filter patterns: searched for in time that grows with the text only.

They know no groups, so an expression is alternatives of items, each a set of characters and how often it comes.
Called by `log_pattern`. AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/regex-expressions.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

# AWS: letters, digits, these symbols and the operators, no others. Here: a space, too, which its pages do not mention.
_ITEM = re.compile(
    r"(?P<set>\\[dDsSwW]|\\x[0-9a-fA-F]{2}|\\[^A-Za-z0-9]|\[\^?\]?(?:\\.|[^\]\\])*\]|[A-Za-z0-9:_#=@/;,. -])"
    r"(?P<times>[?*+]|\{\d{1,4}(?:,\d{0,4})?\})?"
)
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_REPEATS_MAX = 1_000
_POSITIONS_MAX = 5_000
# Up to so many steps Python's own engine is asked, which is fast and tries all ways; beyond that each way counts once.
_STEPS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class _Item:
    allowed: re.Pattern[str]
    least: int
    most: float


@dataclass(frozen=True, slots=True)
class _Branch:
    items: tuple[_Item, ...]
    at_start: bool
    at_end: bool


def compile_expression(text: str) -> Callable[[str], bool]:
    """Whether a message has what the expression means. ValueError for an expression that AWS does not have."""
    parts = [""]
    for token in _TOKEN.findall(text):
        if token == "|":
            parts.append("")
        else:
            parts[-1] += token
    branches = [_branch(part) for part in parts]
    whole = re.compile(text, re.ASCII)
    searches = [_Search(branch) for branch in branches]

    def matches(message: str) -> bool:
        if len(message) * max(_ways(branch, len(message)) for branch in branches) <= _STEPS_MAX:
            return whole.search(message) is not None
        return any(search.finds(message) for search in searches)

    return matches


def _branch(text: str) -> _Branch:
    at_start, at_end = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    inner, at, items = text[at_start : len(text) - at_end], 0, []
    while at < len(inner):
        found = _ITEM.match(inner, at)
        if found is None:
            raise ValueError(f"{inner[at]!r} is not supported here")
        least, most = _times(found["times"])
        items.append(_Item(re.compile(found["set"], re.ASCII), least, most))
        at = found.end()
    if (
        sum(max(1, item.least if math.isinf(item.most) else int(item.most)) for item in items)
        > _POSITIONS_MAX
    ):
        raise ValueError("the expression repeats too much")
    return _Branch(tuple(items), at_start, at_end)


def _times(text: str | None) -> tuple[int, float]:
    if not text:
        return 1, 1
    if text in "?*+":
        return int(text == "+"), 1 if text == "?" else math.inf
    least, comma, most = text[1:-1].partition(",")
    upper = float(most) if most else (math.inf if comma else int(least))
    if int(least) > _REPEATS_MAX or _REPEATS_MAX < upper < math.inf or upper < int(least):
        raise ValueError(f"{text} is out of range")
    return int(least), upper


def _ways(branch: _Branch, length: int) -> float:
    """An upper bound of the ways to fit a branch from one place on."""
    return math.prod(
        min(item.most, length) - item.least + 1 for item in branch.items if item.most > item.least
    )


class _Search:
    """All ways to fit a branch at once: bit n of a number says that the first n positions are done."""

    def __init__(self, branch: _Branch) -> None:
        self._branch = branch
        sets: list[re.Pattern[str]] = []
        self._looping = self._skipped = 0
        for item in branch.items:
            count = max(1, item.least) if math.isinf(item.most) else int(item.most)
            for number in range(1, count + 1):
                sets.append(item.allowed)
                bit = 1 << len(sets)
                if number > item.least:
                    self._skipped |= bit
                if number == count and math.isinf(item.most):
                    self._looping |= bit
        self._sets = sets
        self._done = 1 << len(sets)
        self._masks: dict[str, int] = {}
        self._start = self._skip(1)

    def finds(self, message: str) -> bool:
        """Whether some part of the message fits; the whole one with anchors at both ends."""
        branch, state = self._branch, self._start
        end = len(message) - message.endswith("\n")  # `$` is also before a last line break.
        if state & self._done and (not branch.at_end or not end):
            return True
        for at, sign in enumerate(message, 1):
            mask = self._masks.get(sign)
            if mask is None:
                mask = self._masks[sign] = self._mask(sign)
            state = self._skip(((state << 1) | (state & self._looping)) & mask)
            if not branch.at_start:
                state |= self._start
            if state & self._done and (not branch.at_end or at >= end):
                return True
            if not state:
                return False
        return False

    def _mask(self, sign: str) -> int:
        fits: dict[re.Pattern[str], bool] = {
            each: each.fullmatch(sign) is not None for each in set(self._sets)
        }
        return sum(1 << number for number, each in enumerate(self._sets, 1) if fits[each])

    def _skip(self, state: int) -> int:
        """With the positions that follow and may be left out."""
        while (more := state | ((state << 1) & self._skipped)) != state:
            state = more
        return state
