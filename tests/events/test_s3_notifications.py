"""Notification configurations: S3's XML, its refusals word for word, and filters against a naive reference."""

import itertools
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import AwsError
from labhelpers.events.s3 import encoded_key
from labhelpers.events.s3_notifications import (
    EVENTS,
    NotificationConfiguration,
    NotificationRule,
    configuration_xml,
    destinations_refused,
    event_matches,
    overlap,
    parse_configuration,
    validate_configuration,
)

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:shrink"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:uploads"


def rule(
    events: str = "s3:ObjectCreated:*", prefix: str = "", suffix: str = "", id_: str = "", arn: str = FUNCTION
) -> NotificationRule:
    """A rule for a function."""
    return NotificationRule(
        id_ or f"{events}{prefix}{suffix}", "CloudFunction", arn, (events,), prefix, suffix
    )


def document(*rules: str, namespace: str = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"') -> bytes:
    """The body of PutBucketNotificationConfiguration."""
    return f"<NotificationConfiguration{namespace}>{''.join(rules)}</NotificationConfiguration>".encode()


def function_rule(
    *filters: tuple[str, str], id_: str = "", event: str = "s3:ObjectCreated:*", arn: str = FUNCTION
) -> str:
    """The XML of a rule for a function."""
    filter_rules = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>" for name, value in filters
    )
    return (
        "<CloudFunctionConfiguration>"
        + (f"<Id>{id_}</Id>" if id_ else "")
        + f"<CloudFunction>{arn}</CloudFunction><Event>{event}</Event>"
        + (f"<Filter><S3Key>{filter_rules}</S3Key></Filter>" if filters else "")
        + "</CloudFunctionConfiguration>"
    )


def refusal(*rules: str, region: str = "") -> AwsError:
    """What S3 answers to these rules."""
    with pytest.raises(AwsError) as caught:
        parse_configuration(document(*rules), region=region)
    return caught.value


# --- Reading ---


@pytest.mark.parametrize("namespace", ["", ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'])
def test_configuration_is_read(namespace: str) -> None:
    """Every kind of rule, filter and the EventBridge switch are read, with or without S3's namespace."""
    queue = (
        f"<QueueConfiguration><Id>q</Id><Queue>{QUEUE}</Queue>"
        "<Event>s3:ObjectRemoved:Delete</Event></QueueConfiguration>"
    )
    body = document(
        function_rule(("prefix", "in/"), ("suffix", ".png"), id_="f"),
        queue,
        "<EventBridgeConfiguration/>",
        namespace=namespace,
    )
    assert parse_configuration(body) == NotificationConfiguration(
        (
            NotificationRule("q", "Queue", QUEUE, ("s3:ObjectRemoved:Delete",)),
            NotificationRule("f", "CloudFunction", FUNCTION, ("s3:ObjectCreated:*",), "in/", ".png"),
        ),
        event_bridge=True,
    )


def test_empty_configuration_removes_all_rules() -> None:
    """An empty document is a configuration without rules."""
    assert parse_configuration(document()) == NotificationConfiguration()


def test_rule_without_id_gets_one() -> None:
    """S3 makes an id where none is given."""
    made = iter(["one", "two"])
    body = document(function_rule(("prefix", "a")), function_rule(("prefix", "b")))
    rules = parse_configuration(body, lambda: next(made)).rules
    assert [r.id for r in rules] == ["one", "two"]


@pytest.mark.parametrize("name", ["prefix", "Prefix", "PREFIX"])
def test_filter_names_have_any_case(name: str) -> None:
    """`Prefix` and `prefix` are the same rule; S3 answers with a capital."""
    configuration = parse_configuration(document(function_rule((name, "in/"))))
    assert configuration.rules[0].prefix == "in/"
    assert b"<Name>Prefix</Name>" in configuration_xml(configuration)


def test_answer_can_be_read_again() -> None:
    """What GetBucketNotificationConfiguration answers is the configuration that was put."""
    configuration = NotificationConfiguration(
        (rule(prefix="in/", suffix=".png"), rule("s3:ObjectRemoved:*", id_="<&>")), event_bridge=True
    )
    assert parse_configuration(configuration_xml(configuration)) == configuration


# --- Refusals ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<NotificationConfiguration>",
        b"<Other/>",
        document(function_rule(event="").replace("Event", "Evt")),
    ],
)
def test_other_xml_is_malformed(body: bytes) -> None:
    """What is not a notification configuration is MalformedXML."""
    with pytest.raises(AwsError) as caught:
        parse_configuration(body)
    assert caught.value.code == "MalformedXML"


# Texts recorded on AWS in August 2023 (LocalStack's validated tests of S3 notifications), where not said otherwise.
@pytest.mark.parametrize("arn", ["invalid-arn", QUEUE])
def test_wrong_arn_is_named(arn: str) -> None:
    """An ARN that is none, or of another service, is refused with the element that holds it."""
    error = refusal(function_rule(arn=arn))
    assert (error.code, error.message, error.status) == (
        "InvalidArgument",
        "The ARN could not be parsed",
        400,
    )
    assert error.fields == {"ArgumentName": "CloudFunction", "ArgumentValue": arn}


def test_wrong_filter_name_is_named() -> None:
    """A filter is a prefix or a suffix."""
    error = refusal(function_rule(("INVALID", "x")))
    assert error.message == "filter rule name must be either prefix or suffix"
    assert error.fields == {"ArgumentName": "FilterRule.Name", "ArgumentValue": "INVALID"}


@pytest.mark.parametrize("name", ["prefix", "suffix"])
def test_one_filter_of_each_kind(name: str) -> None:
    """Two prefixes, or two suffixes, in one rule are refused."""
    error = refusal(function_rule((name, "a"), (name.title(), "b")))
    assert error.message == f"Cannot specify more than one {name} rule in a filter."


def test_unknown_event_is_named() -> None:
    """An event that S3 does not have is refused, s3:TestEvent too."""
    for event in ("s3:ObjectCreated:Never", "s3:TestEvent", "ObjectCreated:Put", ""):
        error = refusal(function_rule(event=event))
        assert error.code == "InvalidArgument"
        assert f"'{event}' is not supported for notifications" in error.message


def test_other_region_is_refused() -> None:
    """A destination lives in the bucket's region."""
    error = refusal(function_rule(), region="eu-west-1")
    assert error.message == (
        "The notification destination service region is not valid for the bucket location constraint"
    )


def test_id_is_unique() -> None:
    """Two rules with one id are refused."""
    error = refusal(function_rule(("prefix", "a"), id_="x"), function_rule(("prefix", "b"), id_="x"))
    assert error.message == "Same ID used for multiple configurations. IDs must be unique"


def test_too_long_filter_is_refused() -> None:
    """A prefix has at most 1,024 bytes, however many characters these are."""
    parse_configuration(document(function_rule(("prefix", "é" * 512))))
    assert "1024 bytes" in refusal(function_rule(("prefix", "é" * 513))).message


def test_overlap_is_refused_word_for_word() -> None:
    """Two rules that could both want an event are ambiguous, whatever their destinations."""
    queue = (
        f"<QueueConfiguration><Queue>{QUEUE}</Queue><Event>s3:ObjectCreated:Put</Event></QueueConfiguration>"
    )
    error = refusal(function_rule(("prefix", "in/")), queue)
    assert error.code == "InvalidArgument"
    assert error.message == (
        "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules "
        "if the prefixes are overlapping for the same event type."
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (rule(), rule(), True),
        (rule("s3:ObjectCreated:Put"), rule("s3:ObjectCreated:*"), True),
        (rule("s3:ObjectCreated:Put"), rule("s3:ObjectCreated:Post"), False),
        (rule("s3:ObjectCreated:*"), rule("s3:ObjectRemoved:*"), False),
        (rule(prefix="images/"), rule(prefix="logs/"), False),
        (rule(prefix="images/"), rule(prefix="images/small/"), True),
        (rule(suffix=".jpg"), rule(suffix=".png"), False),
        (rule(suffix=".jpg"), rule(suffix="g"), True),
        # The pairs of AWS's page on filtering: same prefix with other suffixes, same suffix with other prefixes.
        (rule(prefix="images", suffix="jpg"), rule(prefix="images", suffix="png"), False),
        (rule(prefix="images", suffix="jpg"), rule(prefix="docs", suffix="jpg"), False),
        (rule(prefix="image", suffix="jpg"), rule(prefix="images", suffix="jpg"), True),
    ],
)
def test_overlaps(one: NotificationRule, other: NotificationRule, both: bool) -> None:
    """Rules overlap when events, prefixes and suffixes all do."""
    assert overlap(one, other) is both
    assert overlap(other, one) is both


def test_unreachable_destinations_are_numbered() -> None:
    """S3 lists all destinations that it could not reach, each with its reason."""
    error = destinations_refused([("a, null", "no"), ("b", "gone")])
    assert error.message == "Unable to validate the following destination configurations"
    assert error.fields == {
        "ArgumentName1": "a, null",
        "ArgumentValue1": "no",
        "ArgumentName2": "b",
        "ArgumentValue2": "gone",
    }


# --- Matching ---


def test_events_are_those_of_the_api() -> None:
    """The list of events is the one in botocore's model of S3."""
    model: Any = botocore.session.get_session().get_service_model("s3").shape_for("Event")
    assert set(model.enum) <= EVENTS


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("s3:ObjectCreated:*", "ObjectCreated:Put", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Put", True),
        ("s3:ObjectCreated:Put", "ObjectCreated:Post", False),
        ("s3:ObjectRemoved:*", "ObjectCreated:Put", False),
        ("s3:LifecycleTransition", "LifecycleTransition", True),
        ("s3:ObjectCreated:*", "ObjectCreated", False),
    ],
)
def test_wildcard_covers_its_family(pattern: str, name: str, matches: bool) -> None:
    """`:*` stands for every member of its family, and for nothing else."""
    assert event_matches(pattern, name) is matches


@pytest.mark.parametrize(
    ("prefix", "key", "matches"),
    [
        ("year=2026/", "year=2026/a.csv", False),
        ("year%3D2026/", "year=2026/a.csv", True),
        ("my+folder/", "my folder/a.csv", True),
        ("images/", "images/a.csv", True),
    ],
)
def test_filter_is_compared_with_the_encoded_key(prefix: str, key: str, matches: bool) -> None:
    """Special characters in a filter are written as they are in the record, as AWS's page asks."""
    assert rule(prefix=prefix).matches("ObjectCreated:Put", key) is matches


LETTERS = st.text("ab/ .é", max_size=5)
NAMES = [event.removeprefix("s3:") for event in sorted(EVENTS) if "*" not in event]


@given(st.sampled_from(sorted(EVENTS)), st.sampled_from(NAMES), LETTERS, LETTERS, LETTERS)
def test_matching_equals_a_naive_reference(event: str, name: str, prefix: str, suffix: str, key: str) -> None:
    """A rule matches exactly if the event's words and both ends of the encoded key agree, letter by letter."""
    words, wanted = name.split(":"), event.removeprefix("s3:").split(":")
    same_event = len(words) == len(wanted) and all(w in ("*", n) for w, n in zip(wanted, words, strict=True))
    start, end, text = encoded_key(prefix), encoded_key(suffix), encoded_key(key)
    starts = any(text[:n] == start for n in range(len(text) + 1))
    ends = any(text[n:] == end for n in range(len(text) + 1))
    assert rule(event, start, end).matches(name, key) is (same_event and starts and ends)


@given(st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), LETTERS, LETTERS), max_size=4), st.data())
def test_accepted_configuration_is_never_ambiguous(
    rules: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    """Whatever S3 accepts sends an event of any key to one rule at most."""
    made = tuple(
        rule(event, encoded_key(prefix), encoded_key(suffix), id_=str(n))
        for n, (event, prefix, suffix) in enumerate(rules)
    )
    configuration = NotificationConfiguration(made)
    try:
        validate_configuration(configuration)
    except AwsError:
        assert any(overlap(a, b) for a, b in itertools.combinations(made, 2))
        return
    name, key = data.draw(st.sampled_from(NAMES)), data.draw(LETTERS)
    assert len(configuration.matching(name, key)) <= 1
