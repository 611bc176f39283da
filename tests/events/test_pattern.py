"""Event patterns: what they match, what AWS refuses, and rules that hold for any event."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labhelpers.errors import AwsError
from labhelpers.events.pattern import JsonNumber, compile_pattern

VALUES = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'"
CASES = Path("/work/shared/conformance/corpus/cases/events-pattern.json")


def matches(pattern: Any, event: Any) -> bool:
    """Whether a pattern, as Python values, matches an event."""
    return compile_pattern(json.dumps(pattern)).matches(event)


def complaint(pattern: str) -> str:
    """Why AWS refuses a pattern's text, with the place if it tells one."""
    with pytest.raises(AwsError) as caught:
        compile_pattern(pattern)
    assert (caught.value.code, caught.value.status) == ("InvalidEventPatternException", 400)
    prefix = "Event pattern is not valid. Reason: "
    assert caught.value.message.startswith(prefix)
    return caught.value.message.removeprefix(prefix)


@pytest.mark.parametrize(
    ("value", "test", "expected"),
    [
        # Exact values and their types.
        ("a", "a", True),
        ("a", "A", False),
        ("", "", True),
        ("1", 1, False),
        (1, "1", False),
        (1, 1.0, True),
        (1.0, 1, True),
        (100, 1e2, True),
        (0.1, 0.1, True),
        (0.1000001, 0.1, False),
        (123456789012, 123456789012, True),
        (123456789013, 123456789012, False),
        (True, True, True),
        (True, "true", False),
        (1, True, False),
        (None, None, True),
        ("null", None, False),
        ("é\U0001f680", "é\U0001f680", True),
        # Text.
        ("order.paid", {"prefix": "order."}, True),
        ("Order.paid", {"prefix": "order."}, False),
        ("x", {"prefix": ""}, True),
        (12, {"prefix": "1"}, False),
        ("Order.paid", {"prefix": {"equals-ignore-case": "ORDER."}}, True),
        ("a.png", {"suffix": ".png"}, True),
        ("a.PNG", {"suffix": ".png"}, False),
        ("a.PNG", {"suffix": {"equals-ignore-case": ".png"}}, True),
        ("OK", {"equals-ignore-case": "ok"}, True),
        (True, {"equals-ignore-case": "TRUE"}, False),
        ("a", {"exactly": "a"}, True),
        # Numbers.
        (5, {"numeric": [">", 0, "<=", 5]}, True),
        (0, {"numeric": [">", 0, "<=", 5]}, False),
        (5.000001, {"numeric": ["<=", 5]}, False),
        (301.8, {"numeric": ["=", 301.8]}, True),
        (-5e9, {"numeric": [">=", -5e9]}, True),
        (6e9, {"numeric": [">", 0]}, False),
        ("5", {"numeric": ["=", 5]}, False),
        (None, {"numeric": ["<", 5]}, False),
        # Anything but.
        ("b", {"anything-but": "a"}, True),
        ("a", {"anything-but": "a"}, False),
        ("a", {"anything-but": ["a", "b"]}, False),
        (None, {"anything-but": "a"}, True),
        (7, {"anything-but": 7.0}, False),
        ("7", {"anything-but": 7}, True),
        (8, {"anything-but": [7, 9]}, True),
        ("init-1", {"anything-but": {"prefix": "init"}}, False),
        ("pre-init", {"anything-but": {"prefix": ["init", "x"]}}, True),
        ("a.txt", {"anything-but": {"suffix": [".txt"]}}, False),
        ("STOPPED", {"anything-but": {"equals-ignore-case": ["stopped"]}}, False),
        ("a/lib/b", {"anything-but": {"wildcard": "*/lib/*"}}, False),
        ("a/b", {"anything-but": {"wildcard": ["*/lib/*", "x*"]}}, True),
        # Addresses.
        ("10.0.0.255", {"cidr": "10.0.0.0/24"}, True),
        ("10.0.1.0", {"cidr": "10.0.0.0/24"}, False),
        ("10.0.0.1", {"cidr": "10.0.0.9/24"}, False),
        ("10.0.0", {"cidr": "10.0.0.0/8"}, False),
        ("2001:db8::1", {"cidr": "2001:db8::/32"}, True),
        ("::ffff", {"cidr": "0.0.0.0/0"}, False),
        ("0:0:0:0:0:0:0:1", "::1", True),
        # Wildcards.
        ("/a/b/c.txt", {"wildcard": "/a/*.txt"}, True),
        ("/a/.txt", {"wildcard": "/a/*.txt"}, True),
        ("/a.txt", {"wildcard": "/a*a.txt"}, False),
        ("anything", {"wildcard": "*"}, True),
        ("a*b", {"wildcard": "a\\*b"}, True),
        ("axb", {"wildcard": "a\\*b"}, False),
        ("a\\b", {"wildcard": "a\\\\*"}, True),
        ("", {"wildcard": ""}, True),
        (5, {"wildcard": "*"}, False),
        # Presence, of leaves only.
        (None, {"exists": True}, True),
        ("a", {"exists": False}, False),
        ({"deeper": 1}, {"exists": True}, False),
        ({"deeper": 1}, {"exists": False}, True),
        ([], {"exists": True}, False),
        ([], {"exists": False}, True),
        ([[], [None]], {"exists": True}, True),
    ],
)
def test_value_matches_as_on_aws(value: Any, test: Any, expected: bool) -> None:
    """Each operator takes what AWS's documentation and event-ruler say, and nothing else."""
    assert matches({"f": [test]}, {"f": value}) is expected


def test_missing_field_fails_every_test_but_absence() -> None:
    """A field that is not there has no value, not even for anything-but."""
    for test in ("a", {"anything-but": "a"}, {"prefix": ""}, {"exists": True}, None):
        assert not matches({"f": [test]}, {"g": 1})
    assert matches({"f": [{"exists": False}]}, {"g": 1})
    assert matches({"f": ["a", {"exists": False}]}, {"g": 1})


def test_one_value_of_an_array_is_enough() -> None:
    """The values of an array, nested ones too, are all values of the field, so anything-but matches another one."""
    event = {"f": ["a", ["b", ["c"]], 3]}
    for found in ("a", "b", "c", 3):
        assert matches({"f": [found]}, event)
    assert matches({"f": [{"anything-but": "a"}]}, event)
    assert not matches({"f": [{"anything-but": "a"}]}, {"f": ["a", "a"]})


def test_fields_of_one_element_belong_together() -> None:
    """Two fields below an array match only within the same element."""
    pattern = {"items": {"id": [1], "colour": ["red"]}}
    assert matches(pattern, {"items": [{"id": 2}, {"id": 1, "colour": "red"}]})
    assert not matches(pattern, {"items": [{"id": 1, "colour": "blue"}, {"id": 2, "colour": "red"}]})
    assert matches(pattern, {"items": [{"id": 1}, {"id": 2}], "items.colour": "red"})


def test_arrays_beside_each_other_choose_for_themselves() -> None:
    """Each array has an element of its own; nested ones only go with their parent's."""
    pattern = {"a": {"x": [1]}, "b": {"y": [2], "c": {"z": [3]}}}
    assert matches(pattern, {"a": [{"x": 0}, {"x": 1}], "b": [{"y": 2, "c": [{"z": 0}, {"z": 3}]}]})
    assert not matches(pattern, {"a": {"x": 1}, "b": [{"y": 2, "c": []}, {"y": 0, "c": [{"z": 3}]}]})


def test_absence_looks_at_the_elements_chosen_so_far() -> None:
    """Fields are taken in the order of their names: an absence only sees what earlier ones have chosen."""
    event = {"items": [{"a": 1, "b": 1}, {"a": 2}]}
    assert matches({"items": {"a": [2], "b": [{"exists": False}]}}, event)
    assert not matches({"items": {"a": [1], "b": [{"exists": False}]}}, event)
    assert not matches({"items": {"b": [{"exists": False}], "z": [1]}}, event)


def test_dots_join_names() -> None:
    """A path is its joined names, however they are split."""
    assert matches({"a": {"b.c": [1]}}, {"a.b": {"c": 1}})
    assert matches({"a.b.c": [1]}, {"a": {"b": {"c": 1}}})
    assert not matches({"a.b": [1]}, {"a": {"bb": 1}})


def test_or_makes_alternatives() -> None:
    """$or is met by one of its objects, all else still has to match, and it nests."""
    pattern = {
        "s": ["x"],
        "$or": [{"a": [1]}, {"b": [2], "$or": [{"c": [3]}, {"d": {"e": [4]}}]}],
    }
    assert matches(pattern, {"s": "x", "a": 1})
    assert not matches(pattern, {"s": "y", "a": 1})
    assert not matches(pattern, {"s": "x", "b": 2})
    assert matches(pattern, {"s": "x", "b": 2, "d": {"e": 4}})
    assert matches({"d": {"$or": [{"a": [1]}, {"b": [{"exists": False}]}]}}, {"d": {"a": 0}})


def test_last_of_two_equal_keys_counts() -> None:
    """A path that is written twice, also through $or, has the tests that were written last."""
    twice = compile_pattern('{"a": [1], "a": [2]}')
    assert twice.matches({"a": 2}) and not twice.matches({"a": 1})
    later = compile_pattern('{"$or": [{"a": [1]}, {"b": [1]}], "a": [2]}')
    assert later.matches({"a": 2}) and not later.matches({"a": 1})


def test_number_counts_as_it_is_written() -> None:
    """Numbers beyond AWS's limits are compared as texts."""
    pattern = compile_pattern('{"n": [1e10]}')
    assert pattern.matches({"n": JsonNumber("1e10")})
    assert not pattern.matches({"n": JsonNumber("10000000000")})
    assert compile_pattern('{"n": [1e2]}').matches({"n": JsonNumber("100.00")})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ('{"int": 42}', '"int" must be an object or an array|11'),
        ('{"string": "my-value"}', '"string" must be an object or an array|13'),
        ('{"resources": []}', "Empty arrays are not allowed|17"),
        ('{"a": {}}', "Empty objects are not allowed|9"),
        ("{}", "Empty objects are not allowed|3"),
        ('{"a": [[1]]}', "Match value must be String, number, true, false, or null|9"),
        ('{"a": [{}]}', "Match expression name not found|10"),
        ('{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}', "Unrecognized match type NUMERIC|36"),
        ('{"my_key": [{"EXISTS": true}]}', "Unrecognized match type EXISTS|28"),
        ('{"a": [{"prefix": "a", "suffix": "b"}]}', "Only one key allowed in match expression|22"),
        ('{"a": [{"prefix": {"wildcard": "b"}}]}', "Unsupported prefix pattern: wildcard|33"),
        ('{"a": [{"exists": "yes"}]}', "exists match pattern must be either true or false.|20"),
        (
            '{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}',
            "Bad numeric range operator: >|49",
        ),
        ('{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}', "Value of < must be numeric|50"),
        ('{"a": [{"numeric": []}]}', "Invalid member in numeric match: ]|22"),
        ('{"a": [{"numeric": ["!", 1]}]}', "Unrecognized numeric range operator: !|27"),
        ('{"a": [{"numeric": ["=", 1, 2]}]}', "Too many elements in numeric expression|30"),
        ('{"a": [{"numeric": [">", 5, "<", 5]}]}', "Bottom must be less than top|36"),
        ('{"a": [{"numeric": ["<", 5000000001]}]}', "Value must be between -5.0E9 and 5.0E9, inclusive|36"),
        ('{"a": [{"anything-but": [1, "a"]}]}', None),
        ('{"a": [{"anything-but": {"cidr": "::/1"}}]}', "Unsupported anything-but pattern: cidr|35"),
        ('{"a": [{"anything-but": {"prefix": ""}}]}', "Null prefix/suffix not allowed|38"),
        ('{"a": [{"cidr": "bad"}]}', "Malformed CIDR, one '/' required|"),
        ('{"a": [{"cidr": "10.0.0.0/32"}]}', "IPv4 mask bits must be < 32|"),
        ('{"a": [{"cidr": "xx.11.xx/8"}]}', "Nonstandard IP address: xx.11.xx|"),
        ('{"a": [{"wildcard": "a\\\\b"}]}', "Invalid escape character at pos 2|27"),
        ('{"a": [{"wildcard": "b**"}]}', "Consecutive wildcard characters at pos 2|26"),
        ('{"$or": {"a": [1]}}', "It must be an Array followed with $or.|10"),
        ('{"$or": [{"a": [1]}]}', "There must have at least 2 Objects in $or relationship.|21"),
        ('{"$or": [1, {"a": [1]}]}', "Only JSON object is allowed in array of $or relationship.|11"),
        (
            '{"$or": [{"prefix": ["a"]}, {"a": [1]}]}',
            "prefix is Ruler reserved fieldName which cannot be used inside $or.|22",
        ),
        ('["a"]', "Filter is not an object|2"),
        (
            "{'a': 1}",
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name|2",
        ),
        (
            "this is no pattern",
            f"Unrecognized token 'this': was expecting ({VALUES})|5",
        ),
    ],
)
def test_refusal_is_worded_as_aws_words_it(pattern: str, reason: str | None) -> None:
    """Reason and place are those of AWS's compiler; an address is refused without a place."""
    told = complaint(pattern)
    if reason is None:
        return
    text, _, column = reason.rpartition("|")
    place = f'\n at [Source: (String)"{pattern}"; line: 1, column: {column}]' if column else ""
    assert told == text + place


def test_list_of_anything_but_tells_the_place_twice() -> None:
    """As recorded: what is wrong within such a list is told with its place two times."""
    pattern = '{"detail": {"state": [{"anything-but": {"equals-ignore-case": [123, 456]}}]}}'
    assert complaint(pattern).count("column: 67]") == 2


def test_long_source_is_cut() -> None:
    """A complaint shows 500 characters of the pattern."""
    pattern = json.dumps({"a": ["x" * 600], "b": 1})
    assert f"[truncated {len(pattern) - 500} chars]" in complaint(pattern)


@pytest.mark.parametrize(
    ("wildcards", "refused"),
    [
        (["*:*:*:*:*:event-bus/*"], True),
        (["/Users/*/dir/dir/dir/dir/dir/doc.txt"], False),
        (["arn:aws:events:us-east-1:*:event-bus/*"], False),
        ([f"prefix-{letter}*" for letter in "abcdefghijkl"], False),
        ([f"*{letter}" for letter in "abcdefghijkl"], True),
    ],
)
def test_wildcards_that_a_machine_could_not_follow_are_refused(wildcards: list[str], refused: bool) -> None:
    """What counts is how many beginnings of wildcard patterns one text can keep open."""
    pattern = json.dumps({"f": [{"wildcard": text} for text in wildcards]})
    if refused:
        assert complaint(pattern).startswith("Rule is too complex - try using fewer wildcard characters")
    else:
        compile_pattern(pattern)


def test_deep_nesting_is_no_recursion_error() -> None:
    """A pattern of many levels is refused; an event of many levels is read."""
    assert "nesting depth" in complaint('{"a":' * 300 + "[1]" + "}" * 300)
    event: Any = 1
    for _ in range(5000):
        event = [event]
    assert matches({"f": [1]}, {"f": event})


# --- Rules for any event ---

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.text(max_size=6), st.sampled_from(["a", "b"])
)
NAMES = st.sampled_from(["a", "b", "c", "a.b"])
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, min_size=1, max_size=3)
        ),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Paths and values of all leaves."""
    if isinstance(value, dict):
        return [
            one for name, inner in value.items() for one in leaves(inner, f"{path}.{name}" if path else name)
        ]
    if isinstance(value, list):
        return [one for inner in value for one in leaves(inner, path)]
    return [(path, value)]


PATTERN_TEXTS = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", " ", "1", "-0.5e9", "true", "null", "x", "\\", '"', '"$or"', '"a"']
        + [
            f'"{word}"'
            for word in ("prefix", "numeric", ">", "anything-but", "exists", "wildcard", "cidr", "*")
        ]
    ),
    max_size=24,
).map("".join)


@given(st.one_of(PATTERN_TEXTS, st.text(max_size=40), PATTERN_TEXTS.map(lambda text: f'{{"a":[{text}]}}')))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    """Whatever is no pattern is AWS's error, and what compiles can be asked."""
    with contextlib.suppress(AwsError):
        assert compile_pattern(text).matches({"a": 1}) in (True, False)


@given(EVENTS)
def test_every_leaf_is_found_by_its_value_and_by_its_presence(event: dict[str, Any]) -> None:
    """A pattern of one leaf's path and value matches, and the absence of that path does not."""
    for path, value in leaves(event):
        assert matches({path: [value]}, event)
        assert matches({path: [{"exists": True}]}, event)
        assert not matches({path: [{"exists": False}]}, event)


@given(EVENTS, NAMES, LEAVES)
def test_or_is_any_of_its_alternatives(event: dict[str, Any], name: str, value: Any) -> None:
    """$or matches exactly when one of its objects would match alone."""
    one, other = {name: [value]}, {"c": [{"exists": True}]}
    assert matches({"$or": [one, other]}, event) is (matches(one, event) or matches(other, event))


@given(EVENTS, LEAVES)
def test_anything_but_is_some_other_value(event: dict[str, Any], unwanted: Any) -> None:
    """anything-but matches when the field has a value that the plain test does not match."""
    assume(isinstance(unwanted, str) or (isinstance(unwanted, int) and not isinstance(unwanted, bool)))
    for path in {path for path, _ in leaves(event)}:
        others = [v for p, v in leaves(event) if p == path and not matches({"x": [unwanted]}, {"x": v})]
        # A text that is an address equals its other spellings, but is unwanted only as it is written.
        assume(not isinstance(unwanted, str) or ":" not in unwanted)
        assert matches({path: [{"anything-but": unwanted}]}, event) is bool(others)


@given(st.text("ab*\\", max_size=6), st.text("ab*", max_size=6))
def test_wildcard_agrees_with_a_slow_definition(form: str, text: str) -> None:
    """A wildcard stands for any run of characters; everything else stands for itself."""

    def fits(form: str, text: str) -> bool:
        if not form:
            return not text
        if form[0] == "*":
            return any(fits(form[1:], text[at:]) for at in range(len(text) + 1))
        if form[0] == "\\":
            return bool(text) and text[0] == form[1] and fits(form[2:], text[1:])
        return bool(text) and text[0] == form[0] and fits(form[1:], text[1:])

    try:
        found = matches({"f": [{"wildcard": form}]}, {"f": text})
    except AwsError:
        assume(False)
    assert found is fits(form, text)


@given(st.integers(-5 * 10**9, 5 * 10**9), st.integers(-5 * 10**9, 5 * 10**9))
def test_range_is_a_comparison(value: int, bound: int) -> None:
    """Numeric operators compare as numbers do."""
    for sign, holds in (
        (">", value > bound),
        (">=", value >= bound),
        ("<", value < bound),
        ("<=", value <= bound),
    ):
        assert matches({"f": [{"numeric": [sign, bound]}]}, {"f": value}) is holds


@pytest.mark.skipif(not CASES.exists(), reason="the conformance cases are not on this machine")
def test_conformance_cases() -> None:
    """Every recorded pattern and event of the conformance corpus comes out as on AWS."""
    for case in json.loads(CASES.read_text(encoding="utf-8"))["cases"]:
        (step,) = case["steps"]
        expected = step["expect"][-1][-1]
        try:
            pattern = compile_pattern(step["params"]["EventPattern"])
            found: Any = pattern.matches(json.loads(step["params"]["Event"]))
        except AwsError as error:
            found = error.code
        assert found == expected, case["id"]
