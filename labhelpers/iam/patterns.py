"""Wildcards and variables of IAM policies: `*`, `?`, and `${aws:username}`. Pure.

A pattern keeps what is meant literally as `${*}`, `${?}` and `${$}`, which is also how a policy writes it.
docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

# Condition keys in lower case, each with its values: one for most, several for a multivalued key.
Context = Mapping[str, Sequence[str]]

_VARIABLE = re.compile(r"\$\{\s*(?P<name>[^},]+?)\s*(?:,\s*'(?P<default>[^']*)'\s*)?\}")
_TOKEN = re.compile(r"\$\{[*?$]\}|[*?]")
_LITERALS = ("*", "?", "$")


@lru_cache(maxsize=8192)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts, at = [""], 0
    for found in _TOKEN.finditer(pattern):
        token = found[0]
        parts[-1] += re.escape(pattern[at : found.start()])
        if token == "*":
            parts.append("")
        else:
            parts[-1] += "." if token == "?" else re.escape(token[2])
        at = found.end()
    parts[-1] += re.escape(pattern[at:])
    return re.compile(between_stars(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def between_stars(parts: Sequence[str]) -> str:
    """The regular expression (for fullmatch, with DOTALL) of parts with any characters between them.

    Each part has one length, so it fits where it first can: looking back (`.*a.*a.*a`) finds no more, and takes for
    ever.
    """
    if len(parts) == 1:
        return parts[0]
    first, *inner, last = parts
    return first + "".join(f"(?>.*?{part})" for part in inner if part) + ".*" + last


def like(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Whether all of `text` fits: `*` is any characters, also none, `?` exactly one. Takes no longer for many stars."""
    return _compiled(pattern, ignore_case).fullmatch(text) is not None


def arn_like(pattern: str, arn: str) -> bool:
    """ArnLike: the six parts of an ARN each match, a wildcard never across a colon but in the last part.

    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    """
    wanted, given = split_arn(pattern), split_arn(arn)
    return len(wanted) == len(given) and all(map(like, wanted, given))


def split_arn(arn: str) -> list[str]:
    """The parts of an ARN, at most six: a colon within `${...}` or in the resource separates nothing."""
    if "${" not in arn:
        return arn.split(":", 5)
    return re.split(r":(?![^{}]*\})", arn, maxsplit=5)


def escape(text: str) -> str:
    """`text` as a pattern that fits nothing else."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)


def plain(pattern: str) -> str:
    """A pattern as text, for operators that know no wildcards: `${*}` is a star."""
    return re.sub(r"\$\{([*?$])\}", r"\1", pattern)


def fill(pattern: str, context: Context) -> str | None:
    """The pattern with its variables replaced. None if one has no value, or several, and no default."""
    if "${" not in pattern:
        return pattern
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        name = found["name"]
        if name in _LITERALS:
            return found[0]
        values = context.get(name.lower(), ())
        if len(values) == 1:
            return escape(values[0])
        if found["default"] is not None:
            return escape(found["default"])
        missing = True
        return ""

    filled = _VARIABLE.sub(value, pattern)
    return None if missing else filled
