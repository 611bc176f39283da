"""How policies decide: the order of AWS's evaluation, and rules that hold for all policies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.iam.documents import Policy, Request, read_policy
from labhelpers.iam.evaluation import Kind, Policies, decide
from labhelpers.iam.principals import Named, Principal, named

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/path/worker"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/one"
USER = f"arn:aws:iam::{ACCOUNT}:user/ada"
WORKER = Principal.of(SESSION, ROLE)
ADA = Principal.of(USER)
OBJECT = "arn:aws:s3:::bucket/key"


def statement(
    effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **more: Any
) -> dict[str, Any]:
    """A statement as JSON has it."""
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements: dict[str, Any], arn: str = "") -> Policy:
    """A policy of statements."""
    return read_policy({"Version": "2012-10-17", "Statement": list(statements)}, arn)


def ask(
    principal: Principal = WORKER, action: str = "s3:GetObject", resource: str = OBJECT, **context: Any
) -> Request:
    """A request; `context` by names with _ for :."""
    return Request(
        principal, action, resource, {name.replace("_", ":"): [value] for name, value in context.items()}
    )


def trusts(principal: Any, effect: str = "Allow") -> Policy:
    """A resource policy that names a principal."""
    return policy(statement(effect, Principal=principal))


ALLOW, DENY = policy(statement()), policy(statement("Deny"))


@pytest.mark.parametrize(
    ("made", "allowed", "reason"),
    [
        ({}, False, "because no identity-based policy allows the {action} action"),
        ({"identity": (ALLOW,)}, True, ""),
        ({"identity": (ALLOW, DENY)}, False, "with an explicit deny in an identity-based policy"),
        (
            {"identity": (ALLOW,), "boundary": policy()},
            False,
            "because no permissions boundary allows the {action} action",
        ),
        ({"identity": (ALLOW,), "boundary": ALLOW}, True, ""),
        ({"identity": (ALLOW,), "boundary": DENY}, False, "with an explicit deny in a permissions boundary"),
        ({"boundary": ALLOW}, False, "because no identity-based policy allows the {action} action"),
        (
            {"identity": (ALLOW,), "session": (policy(),)},
            False,
            "because no session policy allows the {action} action",
        ),
        ({"identity": (ALLOW,), "session": (ALLOW,)}, True, ""),
        # A resource policy adds to the identity's.
        ({"resource": trusts({"AWS": ROLE})}, True, ""),
        ({"resource": trusts({"AWS": SESSION})}, True, ""),
        ({"resource": trusts("*")}, True, ""),
        ({"resource": trusts({"AWS": [USER, "*"]})}, True, ""),
        (
            {"resource": trusts({"AWS": USER})},
            False,
            "because no identity-based policy allows the {action} action",
        ),
        (
            {"resource": trusts({"AWS": ACCOUNT})},
            False,
            "because no identity-based policy allows the {action} action",
        ),
        (
            {"identity": (ALLOW,), "resource": trusts("*", "Deny")},
            False,
            "with an explicit deny in a resource-based policy",
        ),
        (
            {"identity": (ALLOW,), "resource": trusts({"AWS": ACCOUNT}, "Deny")},
            False,
            "with an explicit deny in a resource-based policy",
        ),
        # What is granted to the role stays within its boundary; what is granted to the very session does not.
        (
            {"resource": trusts({"AWS": ROLE}), "boundary": policy()},
            False,
            "because no permissions boundary allows the {action} action",
        ),
        ({"resource": trusts({"AWS": SESSION}), "boundary": policy()}, True, ""),
        # Keys and trust policies decide themselves, or hand over to the account's own policies.
        (
            {"identity": (ALLOW,), "resource": policy(), "resource_decides": True},
            False,
            "because no resource-based policy allows the {action} action",
        ),
        ({"identity": (ALLOW,), "resource": trusts({"AWS": ACCOUNT}), "resource_decides": True}, True, ""),
        (
            {"resource": trusts({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}), "resource_decides": True},
            False,
            "because no identity-based policy allows the {action} action",
        ),
        ({"resource": trusts({"AWS": ROLE}), "resource_decides": True}, True, ""),
    ],
)
def test_policies_decide_in_aws_order(made: dict[str, Any], allowed: bool, reason: str) -> None:
    """Deny first, then an allow, then the bounds; a refusal says which kind of policy it came from."""
    decision = decide(ask(), Policies(**made))
    assert (decision.allowed, decision.reason) == (allowed, reason)


@pytest.mark.parametrize(
    ("found", "applies"),
    [
        (statement(action="S3:getobject"), True),
        (statement(action=["s3:Put*", "s3:Get*"]), True),
        (statement(action="s3:*Acl"), False),
        (statement(resource="arn:aws:s3:::bucket/*"), True),
        (statement(resource="arn:aws:s3:::bucket"), False),
        (statement(resource="arn:aws:s3:::buck??/k?y"), True),
        (statement(resource="arn:aws:*"), True),
        (statement(resource="arn:*:s3:::*"), True),
        (statement(resource="arn:aws:sqs:*"), False),
        ({"Effect": "Allow", "NotAction": "sqs:*", "Resource": "*"}, True),
        ({"Effect": "Allow", "NotAction": ["s3:Get*"], "Resource": "*"}, False),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"}, True),
        ({"Effect": "Allow", "Action": "*", "NotResource": [OBJECT]}, False),
        (statement(resource="arn:aws:s3:::bucket/${aws:username}"), True),
        (statement(resource="arn:aws:s3:::${nothing}/key"), False),
        (statement(Condition={"StringEquals": {"aws:UserName": "key"}, "Bool": {"x": "true"}}), False),
        (statement(Condition={"StringEquals": {"aws:UserName": ["a", "key"]}}), True),
    ],
)
def test_statement_applies(found: dict[str, Any], applies: bool) -> None:
    """Action in any case, resource with wildcards and variables, their opposites, and all conditions."""
    assert decide(ask(aws_username="key"), Policies((policy(found),))).allowed is applies


def test_old_version_has_no_variables() -> None:
    """Without Version 2012-10-17 `${...}` is plain text."""
    old = read_policy({"Statement": [statement(resource="arn:aws:s3:::bucket/${aws:username}")]})
    assert not decide(ask(aws_username="key"), Policies((old,))).allowed


@pytest.mark.parametrize(
    ("principal", "caller", "how"),
    [
        ({"AWS": USER}, ADA, Named.ITSELF),
        ({"AWS": [ACCOUNT]}, ADA, Named.ACCOUNT),
        ({"AWS": "arn:aws:iam::999999999999:root"}, ADA, Named.NOT),
        ({"AWS": f"{USER}*"}, ADA, Named.NOT),
        ({"Service": "s3.amazonaws.com"}, Principal.of("s3.amazonaws.com"), Named.ITSELF),
        ({"Service": "sns.amazonaws.com"}, Principal.of("s3.amazonaws.com"), Named.NOT),
        ({"AWS": "*"}, Principal.of("s3.amazonaws.com"), Named.BROADLY),
        ({"AWS": ACCOUNT}, Principal.of(ACCOUNT), Named.ACCOUNT),
        ({"Service": "*"}, ADA, Named.NOT),
        ({"AWS": f"arn:aws:iam::{ACCOUNT}:role/worker"}, Principal.of(SESSION), Named.BROADLY),
    ],
)
def test_principal_is_named(principal: dict[str, Any], caller: Principal, how: Named) -> None:
    """Users, roles and sessions by ARN, accounts by number or root, services by name, everybody by a star."""
    document = trusts(principal)
    principals = document.statements[0].principals
    assert principals is not None
    assert named(principals, caller) is how


def test_not_principal_spares_those_named() -> None:
    """NotPrincipal with Deny refuses everybody else."""
    spare = policy({"Effect": "Deny", "NotPrincipal": {"AWS": USER}, "Action": "*", "Resource": "*"})
    assert decide(ask(ADA), Policies((ALLOW,), resource=spare)).allowed
    assert not decide(ask(WORKER), Policies((ALLOW,), resource=spare)).allowed


def test_decision_names_the_statement() -> None:
    """A decision tells which policy and which statement made it."""
    found = decide(ask(), Policies((policy(statement("Deny", Sid="Never"), arn="arn:x"),)))
    assert (found.policy, found.sid, found.kind) == ("arn:x", "Never", Kind.IDENTITY)


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '{"Statement": 1}',
        '{"Statement": [1]}',
        '{"Statement": {"Effect": "allow", "Action": "*"}}',
        '{"Statement": {"Effect": "Allow"}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Condition": []}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Condition": {"X": {"a": "b"}}}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Principal": 1}}',
        '{"Statement": {"Effect": "Allow", "Action": [[]]}}',
        '{"Statement": {"Effect": "Allow", "Action": {"a": 1}}}',
        '{"Statement": {"Effect": "Allow", "Action": "*", "Condition": {"StringEquals": {"x": {"y": 1}}}}}',
        "[" * 100_000,
        "nonsense",
    ],
    ids=lambda document: document[:60],
)
def test_malformed_policy_is_refused(document: str) -> None:
    """A document that is no policy is an error, never a policy that allows."""
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's own error is one, too
        read_policy(document)


ACTIONS = st.sampled_from(["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "sqs:*"])
RESOURCES = st.sampled_from(
    ["*", OBJECT, "arn:aws:s3:::bucket/*", "arn:aws:s3:::other/*", "arn:aws:sqs:r:1:q"]
)
CONDITIONS = st.sampled_from(
    [{}, {"Condition": {"Bool": {"x": "true"}}}, {"Condition": {"Null": {"x": "true"}}}]
)
STATEMENTS = st.builds(
    lambda effect, action, resource, condition: statement(effect, action, resource, **condition),
    st.sampled_from(["Allow", "Deny"]),
    ACTIONS,
    RESOURCES,
    CONDITIONS,
)
LISTS = st.lists(STATEMENTS, max_size=4)
REQUESTS = st.builds(
    lambda action, resource, x: ask(action=action, resource=resource, **x),
    st.sampled_from(["s3:GetObject", "s3:PutObject", "sqs:SendMessage"]),
    st.sampled_from([OBJECT, "arn:aws:s3:::other/x", "arn:aws:sqs:r:1:q"]),
    st.sampled_from([{}, {"x": "true"}, {"x": "false"}]),
)


@given(LISTS, REQUESTS)
def test_deny_always_wins(statements: list[dict[str, Any]], request: Request) -> None:
    """With a statement that denies everything nothing is allowed, whatever else there is."""
    everything = statement("Deny", "*")
    assert not decide(
        request, Policies((policy(*statements, everything), policy(statement(action="*"))))
    ).allowed


@given(LISTS, REQUESTS, STATEMENTS)
def test_one_more_allow_takes_nothing_away(
    statements: list[dict[str, Any]], request: Request, more: dict[str, Any]
) -> None:
    """Adding a statement that allows never refuses what was allowed."""
    if decide(request, Policies((policy(*statements),))).allowed:
        assert decide(request, Policies((policy(*statements, {**more, "Effect": "Allow"}),))).allowed


@given(LISTS, LISTS, REQUESTS)
def test_boundary_only_takes_away(
    identity: list[dict[str, Any]], bound: list[dict[str, Any]], request: Request
) -> None:
    """What is allowed within a boundary is allowed without it."""
    bounded = Policies((policy(*identity),), boundary=policy(*bound))
    assert not decide(request, bounded).allowed or decide(request, Policies((policy(*identity),))).allowed


@given(LISTS, REQUESTS)
def test_order_of_statements_does_not_matter(statements: list[dict[str, Any]], request: Request) -> None:
    """The same statements in another order, or in policies of their own, decide the same."""
    straight = decide(request, Policies((policy(*statements),))).allowed
    assert decide(request, Policies((policy(*reversed(statements)),))).allowed is straight
    assert decide(request, Policies(tuple(policy(each) for each in statements))).allowed is straight
