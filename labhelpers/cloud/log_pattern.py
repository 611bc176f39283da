"""Filter patterns of CloudWatch Logs: which messages a pattern matches. Pure.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from labhelpers.cloud.log_expression import compile_expression
from labhelpers.errors import AwsError
from labhelpers.iam.patterns import between_stars

Matcher = Callable[[str], bool]

_TERM = re.compile(r'([-?]?)(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)+)%|(\S+))\s*')
_TOKEN = re.compile(
    r'\s*(?:(&&|\|\||[()])|(\$(?:\.[\w-]+|\[\d+\]|\.?\["[^"]+"\]|\.\*|\[\*\])*)|(!=|>=|<=|=|>|<)'
    r'|"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)+)%|(IS|NOT|EXISTS|TRUE|FALSE|NULL)(?!\w)|([^\s()=<>!&|]+))',
    re.IGNORECASE,
)
_STEP = re.compile(r'\.([\w-]+)|\[(\d+)\]|\.?\["([^"]+)"\]|(\.\*|\[\*\])')
_COLUMN = re.compile(r'"[^"]*"|\[[^\]]*\]|\S+')


def compile_pattern(pattern: str) -> Matcher:
    """A function that tells whether a message matches. AwsError InvalidParameterException for a malformed pattern."""
    text = pattern.strip()
    if not text or text == '""':
        return lambda message: True
    if text.startswith("{") and text.endswith("}"):
        return _json_pattern(text[1:-1])
    if text.startswith("[") and text.endswith("]"):
        return _column_pattern(text[1:-1])
    return _terms(text)


def _invalid(pattern: str) -> AwsError:
    return AwsError("InvalidParameterException", f"Invalid filter pattern: {pattern}")


def _terms(text: str) -> Matcher:
    """Terms that must all be there, `-` ones that must not, and `?` ones of which one is enough."""
    required: list[Matcher] = []
    excluded: list[Matcher] = []
    optional: list[Matcher] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise _invalid(text)
        sign, quoted, pattern, word = found.groups()
        kind = {"-": excluded, "?": optional}.get(sign, required)
        kind.append(
            _expression(pattern) if pattern is not None else _contains(_unescape(quoted or word or ""))
        )
        at = found.end()
    # AWS: a `?` term beside plain terms is ignored.
    if required:
        optional = []

    def matches(message: str) -> bool:
        return (
            all(term(message) for term in required)
            and not any(term(message) for term in excluded)
            and (not optional or any(term(message) for term in optional))
        )

    return matches


def _contains(term: str) -> Matcher:
    return lambda message: term in message


def _expression(pattern: str) -> Matcher:
    try:
        return compile_expression(pattern)
    except (ValueError, re.error) as error:
        raise _invalid(f"%{pattern}%") from error


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# Conditions on JSON: a small grammar of comparisons joined by && and ||.
Test = Callable[[Any], bool]
_MISSING = object()


def _json_pattern(text: str) -> Matcher:
    test = _Conditions(text).parse()

    def matches(message: str) -> bool:
        if not message.lstrip().startswith(("{", "[")):
            return False
        try:
            return test(json.loads(message))
        except (ValueError, RecursionError):
            return False

    return matches


class _Conditions:
    """A recursive descent over the tokens of a JSON pattern."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        kinds = ("punctuation", "selector", "operator", "string", "expression", "keyword", "word")
        at = 0
        stripped = text.rstrip()
        while at < len(stripped):
            found = _TOKEN.match(stripped, at)
            if found is None:
                raise _invalid(f"{{{text}}}")
            kind, value = next((k, v) for k, v in zip(kinds, found.groups(), strict=True) if v is not None)
            self._tokens.append((kind, value.upper() if kind == "keyword" else value))
            at = found.end()

    def parse(self) -> Test:
        test = self._any()
        if self._tokens:
            raise _invalid(f"{{{self._text}}}")
        return test

    def _take(self) -> tuple[str, str]:
        if not self._tokens:
            raise _invalid(f"{{{self._text}}}")
        return self._tokens.pop(0)

    def _next_is(self, value: str) -> bool:
        if self._tokens and self._tokens[0][1] == value:
            self._tokens.pop(0)
            return True
        return False

    def _any(self) -> Test:
        tests = [self._all()]
        while self._next_is("||"):
            tests.append(self._all())
        return lambda document: any(test(document) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next_is("&&"):
            tests.append(self._one())
        return lambda document: all(test(document) for test in tests)

    def _one(self) -> Test:
        if self._next_is("("):
            inner = self._any()
            if not self._next_is(")"):
                raise _invalid(f"{{{self._text}}}")
            return inner
        kind, selector = self._take()
        if kind != "selector":
            raise _invalid(f"{{{self._text}}}")
        compare = self._comparison()
        return lambda document: any(compare(value) for value in _select(document, selector))

    def _comparison(self) -> Test:
        kind, operator = self._take()
        if operator == "NOT":
            self._expect("EXISTS")
            return lambda value: value is _MISSING
        if operator == "EXISTS":
            return lambda value: value is not _MISSING
        if operator == "IS":
            wanted = {"TRUE": True, "FALSE": False, "NULL": None}[self._expect("TRUE", "FALSE", "NULL")]
            return lambda value: value is wanted
        if kind != "operator":
            raise _invalid(f"{{{self._text}}}")
        return _compare(operator, *self._take())

    def _expect(self, *values: str) -> str:
        _, value = self._take()
        if value not in values:
            raise _invalid(f"{{{self._text}}}")
        return value


def _select(document: Any, selector: str) -> list[Any]:
    """The values that a selector such as `$.a[0].b` names; a missing one is `_MISSING`."""
    values = [document]
    for name, index, quoted, every in _STEP.findall(selector[1:]):
        reached: list[Any] = []
        for value in values:
            if every:
                reached += (
                    list(value.values())
                    if isinstance(value, dict)
                    else value
                    if isinstance(value, list)
                    else []
                )
            elif index:
                reached.append(
                    value[int(index)] if isinstance(value, list) and int(index) < len(value) else _MISSING
                )
            else:
                reached.append(value.get(name or quoted, _MISSING) if isinstance(value, dict) else _MISSING)
        values = reached
    return values


def _compare(operator: str, kind: str, text: str) -> Test:
    """A comparison of one value with a number, a text with wildcards, or %a regular expression%."""
    if kind == "expression":
        search = _expression(text)
        return lambda value: isinstance(value, str) and search(value) is (operator == "=")
    if kind in ("word", "keyword") and (number := _number(text)) is not None:
        return lambda value: _ordered(operator, value, number)
    if operator not in ("=", "!="):
        raise _invalid(f"{operator} {text}")
    pattern = re.compile(between_stars([re.escape(part) for part in _unescape(text).split("*")]), re.DOTALL)
    return lambda value: (
        value is not _MISSING and (pattern.fullmatch(_text(value)) is not None) is (operator == "=")
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ordered(operator: str, value: Any, number: float) -> bool:
    if isinstance(value, str):
        value = _number(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return {
        "=": value == number,
        "!=": value != number,
        ">": value > number,
        ">=": value >= number,
        "<": value < number,
        "<=": value <= number,
    }[operator]


def _column_pattern(text: str) -> Matcher:
    """`[ip, user, status = 4*, ...]`: fields separated by spaces, some of them with a condition."""
    columns = [column.strip() for column in text.split(",")]
    open_ended = columns[-1:] == ["..."]
    if open_ended:
        columns.pop()
    tests: list[Test] = []
    for column in columns:
        found = re.fullmatch(r"([\w-]*)\s*(?:(!=|>=|<=|=|>|<)\s*(.+))?", column)
        if found is None:
            raise _invalid(f"[{text}]")
        _, operator, wanted = found.groups()
        if operator:
            quoted = wanted.startswith('"')
            tests.append(_compare(operator, "string" if quoted else "word", wanted.strip('"').strip()))
        else:
            tests.append(lambda value: True)

    def matches(message: str) -> bool:
        fields = [field.strip('"[]') for field in _COLUMN.findall(message)]
        fits = len(fields) >= len(tests) if open_ended else len(fields) == len(tests)
        return fits and all(test(field) for test, field in zip(tests, fields, strict=False))

    return matches
