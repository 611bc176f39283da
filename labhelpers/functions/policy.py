"""Resource policies of functions and layers: statements as AWS writes them, and whether they let a service in. Pure.

docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, RESOURCE_CONFLICT, RESOURCE_NOT_FOUND, AwsError
from labhelpers.iam.conditions import Condition, read_operator
from labhelpers.iam.patterns import Context, like
from labhelpers.iam.principals import Named, Principal, named

PRECONDITION_FAILED = "PreconditionFailedException"
POLICY_LENGTH_EXCEEDED = "PolicyLengthExceededException"
# Where AWS tells a caller with an old revision to look, for functions and aliases.
REVISION_GETTERS = "GetFunction/GetAlias"

_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.(amazonaws\.com(\.cn)?|amazon\.com)")
_ACCOUNT = re.compile(r"\d{12}")
_IDENTITY = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::\d{12}:.+")

Conditions = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Statement:
    """One permission: who may do what to `resource`. `principal` is `*` or a one-item mapping, as AWS writes it."""

    sid: str
    principal: str | Mapping[str, str]
    action: str
    resource: str
    conditions: Conditions = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The statement in AWS's order of members."""
        principal = self.principal if isinstance(self.principal, str) else dict(self.principal)
        statement: dict[str, Any] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Principal": principal,
            "Action": self.action,
            "Resource": self.resource,
        }
        if self.conditions:
            statement["Condition"] = {operator: dict(keys) for operator, keys in self.conditions.items()}
        return statement

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and for whom: `principal` is a service (`s3.amazonaws.com`), or the ARN or account of a caller.

    `url_auth_type` (NONE or AWS_IAM) and `via_url` are of calls that come through a function URL;
    `event_source_token` is what an Alexa skill brings.
    """

    principal: str
    action: str = "lambda:InvokeFunction"
    source_arn: str = ""
    source_account: str = ""
    url_auth_type: str = ""
    via_url: bool = False
    event_source_token: str = ""

    def context(self) -> Context:
        """The condition keys that the call brings. An organisation (aws:PrincipalOrgID) no account here belongs to."""
        given = {
            "aws:sourcearn": self.source_arn,
            "aws:sourceaccount": self.source_account,
            "lambda:eventsourcetoken": self.event_source_token,
            "lambda:functionurlauthtype": self.url_auth_type,
            "lambda:invokedviafunctionurl": "true" if self.via_url else "",
        }
        return {key: [value] for key, value in given.items() if value}


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of one resource. `revision` is new with every change."""

    revision: str
    statements: tuple[Statement, ...] = ()

    def as_json(self) -> str:
        statements = [statement.as_dict() for statement in self.statements]
        return json.dumps(
            {"Version": "2012-10-17", "Id": "default", "Statement": statements}, separators=(",", ":")
        )

    def with_statement(self, statement: Statement, revision: str) -> Policy:
        """This policy and one more statement. AwsError: 409 for a Sid that it has, 400 when it grows over 20 KB."""
        if any(known.sid == statement.sid for known in self.statements):
            raise AwsError(
                RESOURCE_CONFLICT,
                f"The statement id ({statement.sid}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement.",
                409,
            )
        policy = Policy(revision, (*self.statements, statement))
        size = len(policy.as_json().encode())
        if size > limits.RESOURCE_POLICY_BYTES_MAX:
            message = f"The final policy size ({size}) is bigger than the limit ({limits.RESOURCE_POLICY_BYTES_MAX})."
            raise AwsError(POLICY_LENGTH_EXCEEDED, message)
        return policy

    def without(self, sid: str, revision: str) -> Policy:
        """This policy without a statement; AwsError 404 when it has none of that Sid."""
        left = tuple(statement for statement in self.statements if statement.sid != sid)
        if len(left) == len(self.statements):
            raise AwsError(RESOURCE_NOT_FOUND, f"Statement {sid} is not found in resource policy.", 404)
        return replace(self, revision=revision, statements=left)

    def allows(self, call: Call) -> bool:
        """Whether any statement lets this call in. Statements of AddPermission never deny."""
        return any(_lets_in(statement, call) for statement in self.statements)


def check_revision(given: str | None, current: str, getter: str) -> None:
    """Refuse a change by somebody who saw another revision: PreconditionFailedException (412)."""
    if given and given != current:
        raise AwsError(
            PRECONDITION_FAILED,
            "The Revision Id provided does not match the latest Revision Id. "
            f"Call the {getter} API to retrieve the latest Revision Id",
            412,
        )


def read_principal(principal: str) -> str | dict[str, str]:
    """The Principal element for what a caller of AddPermission gives: a service, an account, an ARN, or `*`."""
    if principal == "*":
        return principal
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if _IDENTITY.fullmatch(principal):
        return {"AWS": principal}
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    message = "The provided principal was invalid. Please check the principal and try again."
    raise AwsError(INVALID_PARAMETER, message)


def conditions(
    *,
    source_arn: str = "",
    source_account: str = "",
    event_source_token: str = "",
    url_auth_type: str = "",
    organisation: str = "",
    via_url: bool | None = None,
) -> dict[str, dict[str, str]]:
    """The Condition element for the options of AddPermission, in AWS's order and with its spelling of the keys."""
    equal = {
        "AWS:SourceAccount": source_account,
        "lambda:EventSourceToken": event_source_token,
        "lambda:FunctionUrlAuthType": url_auth_type,
        "aws:PrincipalOrgID": organisation,
    }
    found = {
        "StringEquals": {key: value for key, value in equal.items() if value},
        "ArnLike": {"AWS:SourceArn": source_arn} if source_arn else {},
        "Bool": {} if via_url is None else {"lambda:InvokedViaFunctionUrl": str(via_url).lower()},
    }
    return {operator: keys for operator, keys in found.items() if keys}


def _lets_in(statement: Statement, call: Call) -> bool:
    if not like(statement.action, call.action, ignore_case=True):
        return False
    names = statement.principal
    principals = {"*": (names,)} if isinstance(names, str) else {kind: (n,) for kind, n in names.items()}
    if named(principals, Principal.of(call.principal)) is Named.NOT:
        return False
    context = call.context()
    return all(condition.holds(context) for condition in _conditions(statement))


def _conditions(statement: Statement) -> Iterable[Condition]:
    for operator, keys in statement.conditions.items():
        name, quantifier, if_exists = read_operator(operator)
        for key, wanted in keys.items():
            yield Condition(name, key.lower(), (wanted,), quantifier, if_exists)
