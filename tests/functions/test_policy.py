"""Statements are written as AWS writes them, and let in exactly whom they name."""

from __future__ import annotations

import json

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.policy import Call, Policy, Statement, conditions, read_principal

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:fn"
BUCKET = "arn:aws:s3:::pictures"


def statement(sid: str = "s3", principal: str = "s3.amazonaws.com", **options: str) -> Statement:
    """A permission to invoke, as AddPermission makes it."""
    return Statement(sid, read_principal(principal), "lambda:InvokeFunction", FUNCTION, conditions(**options))  # type: ignore[arg-type]


def test_statement_has_awss_members_in_awss_order() -> None:
    """The JSON text, to the letter."""
    made = statement(source_arn=BUCKET, source_account="123456789012")
    assert made.as_json() == (
        '{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction",'
        f'"Resource":"{FUNCTION}","Condition":{{"StringEquals":{{"AWS:SourceAccount":"123456789012"}},'
        f'"ArnLike":{{"AWS:SourceArn":"{BUCKET}"}}}}}}'
    )


def test_conditions_of_all_options() -> None:
    """Each option has its operator and its key, spelled as AWS spells it."""
    made = conditions(
        source_arn=BUCKET,
        source_account="1",
        event_source_token="token",
        url_auth_type="NONE",
        organisation="o-1",
        via_url=True,
    )
    assert made == {
        "StringEquals": {
            "AWS:SourceAccount": "1",
            "lambda:EventSourceToken": "token",
            "lambda:FunctionUrlAuthType": "NONE",
            "aws:PrincipalOrgID": "o-1",
        },
        "ArnLike": {"AWS:SourceArn": BUCKET},
        "Bool": {"lambda:InvokedViaFunctionUrl": "true"},
    }


@pytest.mark.parametrize(
    ("given", "element"),
    [
        ("*", "*"),
        ("123456789012", {"AWS": "arn:aws:iam::123456789012:root"}),
        ("arn:aws:iam::123456789012:user/ann", {"AWS": "arn:aws:iam::123456789012:user/ann"}),
        ("events.amazonaws.com", {"Service": "events.amazonaws.com"}),
        ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}),
    ],
)
def test_principals_are_told_apart(given: str, element: object) -> None:
    """Services, accounts, identities and everybody."""
    assert read_principal(given) == element


def test_invalid_principal_is_refused() -> None:
    """A name that is none of them."""
    with pytest.raises(AwsError, match="The provided principal was invalid"):
        read_principal("invalid.nonaws.com")


@pytest.mark.parametrize(
    ("made", "call", "allowed"),
    [
        (statement(), Call("s3.amazonaws.com"), True),
        (statement(), Call("sns.amazonaws.com"), False),
        (statement(principal="*"), Call("sns.amazonaws.com"), True),
        (statement(source_arn=BUCKET), Call("s3.amazonaws.com", source_arn=BUCKET), True),
        (statement(source_arn=BUCKET), Call("s3.amazonaws.com", source_arn=f"{BUCKET}-2"), False),
        (statement(source_arn=BUCKET), Call("s3.amazonaws.com"), False),
        (statement(source_arn="arn:aws:s3:::pict*"), Call("s3.amazonaws.com", source_arn=BUCKET), True),
        (
            statement(source_account="123456789012"),
            Call("s3.amazonaws.com", source_account="123456789012"),
            True,
        ),
        (
            statement(source_account="123456789012"),
            Call("s3.amazonaws.com", source_account="210987654321"),
            False,
        ),
        (statement(event_source_token="t"), Call("s3.amazonaws.com"), False),
        (statement(event_source_token="t"), Call("s3.amazonaws.com", event_source_token="t"), True),
        (statement(event_source_token="t"), Call("s3.amazonaws.com", event_source_token="u"), False),
        (statement(organisation="o-1"), Call("s3.amazonaws.com"), False),
        (
            statement(source_arn="arn:aws:s3:::*", source_account="1"),
            Call("s3.amazonaws.com", source_arn=BUCKET),
            False,
        ),
        (
            statement(principal="arn:aws:iam::123456789012:role/r"),
            Call("arn:aws:sts::123456789012:assumed-role/r/s"),
            True,
        ),
        (statement(principal="123456789012"), Call("123456789012"), True),
        (statement(principal="123456789012"), Call("arn:aws:iam::123456789012:user/ann"), True),
        (statement(principal="123456789012"), Call("arn:aws:iam::210987654321:user/ann"), False),
    ],
)
def test_statement_lets_in_whom_it_names(made: Statement, call: Call, allowed: bool) -> None:
    """Principal and every condition must fit; what the call does not carry fits nothing."""
    assert Policy("r", (made,)).allows(call) is allowed


def test_other_action_is_not_allowed() -> None:
    """A permission for function URLs is none for invoking, and the other way round."""
    assert not Policy("r", (statement(),)).allows(Call("s3.amazonaws.com", action="lambda:InvokeFunctionUrl"))


def test_policy_grows_and_shrinks_by_sid() -> None:
    """A Sid is there once; each change makes a new revision."""
    policy = Policy("").with_statement(statement("a"), "1").with_statement(statement("b"), "2")
    assert [made["Sid"] for made in json.loads(policy.as_json())["Statement"]] == ["a", "b"]
    with pytest.raises(AwsError, match=r"The statement id \(a\) provided already exists"):
        policy.with_statement(statement("a"), "3")
    assert policy.without("a", "3") == Policy("3", (statement("b"),))
    with pytest.raises(AwsError, match="Statement c is not found in resource policy"):
        policy.without("c", "3")


def test_policy_has_a_largest_size() -> None:
    """20 KB of JSON, counted as it is written."""
    fits = Policy("", tuple(statement(f"s{number:03d}") for number in range(119)))
    assert 20_000 < len(fits.as_json()) < 20_480
    too_long = r"The final policy size \(\d+\) is bigger than the limit \(20480\)"
    with pytest.raises(AwsError, match=too_long) as caught:
        fits.with_statement(statement("more", event_source_token="t" * 500), "r")
    assert caught.value.code == "PolicyLengthExceededException"
