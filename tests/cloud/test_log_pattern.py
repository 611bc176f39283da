"""Filter patterns of CloudWatch Logs; the examples are those of AWS's page FilterAndPatternSyntax."""

from __future__ import annotations

import json

import pytest

from labhelpers.cloud.log_pattern import compile_pattern
from labhelpers.errors import AwsError

BAD_REQUEST = "[ERROR 400] BAD REQUEST"
UNAUTHORIZED = "[ERROR 401] UNAUTHORIZED REQUEST"
MISSING = "[ERROR 419] MISSING ARGUMENTS"


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", [BAD_REQUEST, UNAUTHORIZED, MISSING]),
        ("ERROR", [BAD_REQUEST, UNAUTHORIZED, MISSING]),
        ("error", []),
        ("ERROR ARGUMENTS", [MISSING]),
        ("REQUEST ERROR", [BAD_REQUEST, UNAUTHORIZED]),
        ('"MISSING ARGUMENTS"', [MISSING]),
        ('"ERROR ARGUMENTS"', []),
        ("?ERROR ?ARGUMENTS", [BAD_REQUEST, UNAUTHORIZED, MISSING]),
        ("?BAD ?MISSING", [BAD_REQUEST, MISSING]),
        ("ERROR -ARGUMENTS", [BAD_REQUEST, UNAUTHORIZED]),
        ('ERROR -"BAD REQUEST"', [UNAUTHORIZED, MISSING]),
        ("%40[01]%", [BAD_REQUEST, UNAUTHORIZED]),
    ],
)
def test_terms(pattern: str, matching: list[str]) -> None:
    """Terms match by case, in any order; quotes keep a phrase together, - excludes, ? makes optional."""
    matches = compile_pattern(pattern)
    assert [message for message in (BAD_REQUEST, UNAUTHORIZED, MISSING) if matches(message)] == matching


EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "cluster.name": "c",
        "latency": 12.5,
        "ok": True,
        "errors": "404",
    }
)


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[*] = "another*" }', True),
        ('{ $.objectList[1].name = "b" }', True),
        ("{ $.objectList[*].id = 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject EXISTS }", True),
        ('{ $.["cluster.name"] = "c" }', True),
        ("{ $.latency > 12 }", True),
        ("{ $.latency >= 12.6 }", False),
        ("{ $.errors < 500 }", True),
        ("{ $.ok IS TRUE }", True),
        ("{ $.ok IS FALSE }", False),
        ('{ ($.ok IS FALSE) || ($.latency > 1 && $.eventType = "Up*") }', True),
        ('{ $.ok IS TRUE && $.eventType = "other" }', False),
        ("{ $.eventType = %^Update% }", True),
    ],
)
def test_json_conditions(pattern: str, matching: bool) -> None:
    """Selectors, comparisons of numbers and texts, existence, and joins."""
    assert compile_pattern(pattern)(EVENT) is matching


def test_many_stars_take_no_longer() -> None:
    """A pattern of anybody's must not stop the cloud."""
    matches = compile_pattern('{ $.a = "' + "*a" * 50 + 'b" }')
    assert not matches(json.dumps({"a": "a" * 3_000}))
    assert matches(json.dumps({"a": "a" * 3_000 + "b"}))


def test_json_condition_never_matches_plain_text() -> None:
    """A line that is no JSON has no fields."""
    assert not compile_pattern("{ $.x NOT EXISTS }")("plain")
    assert not compile_pattern("{ $.x NOT EXISTS }")("{broken")


LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 404, bytes > 1000]", True),
        ("[ip, user, username, timestamp, request, status_code = 200, bytes]", False),
        ("[ip, ...]", True),
        ("[ip = 127.*, ...]", True),
        ("[ip, user]", False),
    ],
)
def test_columns(pattern: str, matching: bool) -> None:
    """Fields between spaces, with brackets and quotes kept together."""
    assert compile_pattern(pattern)(LINE) is matching


@pytest.mark.parametrize(
    "pattern", ["{ $.a }", "{ $.a = }", "{ a = 1 }", "{ ($.a = 1 }", "%(%", "[a = , b c]"]
)
def test_malformed_pattern_is_refused(pattern: str) -> None:
    """Better an error than all lines."""
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert caught.value.code == "InvalidParameterException"
