"""IAM's policy simulator, and permissions boundaries of users: what moto's IAM lacks. Runs on moto's thread.

docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qsl

from labhelpers.cloud.moto_bridge_policies import NOBODY, Holder, PolicyReader
from labhelpers.cloud.protocol import AwsRequest, AwsResponse
from labhelpers.errors import AwsError
from labhelpers.iam.documents import Policy, Request, read_policy
from labhelpers.iam.evaluation import Decision, Kind, Policies, decide
from labhelpers.iam.principals import Principal

Form = Mapping[str, str]

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
OPERATIONS = frozenset(
    {
        "SimulatePrincipalPolicy",
        "SimulateCustomPolicy",
        "PutUserPermissionsBoundary",
        "DeleteUserPermissionsBoundary",
    }
)


def answer(reader: PolicyReader, operation: str, request: AwsRequest) -> AwsResponse:
    """The answer to one of the operations above. AwsError as IAM's."""
    form = dict(parse_qsl(request.body.decode() or request.query, keep_blank_values=True))
    if operation == "PutUserPermissionsBoundary":
        reader.user_boundaries[_user(reader, form)] = _managed(reader, form.get("PermissionsBoundary", ""))
        return _wrap(operation, request, "")
    if operation == "DeleteUserPermissionsBoundary":
        if reader.user_boundaries.pop(_user(reader, form), None) is None:
            raise AwsError("NoSuchEntity", "The user has no permissions boundary.", 404)
        return _wrap(operation, request, "")
    results = "".join(
        _result(action, resource, decision)
        for action in _members(form, "ActionNames")
        for resource in _members(form, "ResourceArns") or ["*"]
        for decision in [_simulate(reader, operation, form, action, resource)]
    )
    body = f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
    return _wrap(operation, request, f"<{operation}Result>{body}</{operation}Result>")


def _simulate(reader: PolicyReader, operation: str, form: Form, action: str, resource: str) -> Decision:
    given = tuple(
        _read(text, f"PolicyInputList.{n}") for n, text in enumerate(_members(form, "PolicyInputList"), 1)
    )
    boundaries = _members(form, "PermissionsBoundaryPolicyInputList")
    holder, source = NOBODY, form.get("CallerArn", "")
    if operation == "SimulatePrincipalPolicy":
        source = form.get("PolicySourceArn", "")
        holder = _holder(reader, source)
        source = form.get("CallerArn") or source
    boundary = _read(boundaries[0], "PermissionsBoundaryPolicyInputList.1") if boundaries else holder.boundary
    policy = form.get("ResourcePolicy")
    return decide(
        Request(_caller(source), action, resource, _context(form)),
        Policies((*holder.policies, *given), _read(policy, "ResourcePolicy") if policy else None, boundary),
    )


def _caller(arn: str) -> Principal:
    principal = Principal.of(arn)
    # A simulated role stands for a session of it.
    return Principal(arn, principal.account, arn) if ":role/" in arn else principal


def _holder(reader: PolicyReader, arn: str) -> Holder:
    kind, _, rest = arn.rpartition(":")[2].partition("/")
    name = rest.rpartition("/")[2]
    holder = reader.role(name) if kind == "role" else reader.user(name) if kind == "user" else NOBODY
    if holder is NOBODY:
        raise AwsError("NoSuchEntity", f"The {kind or 'user'} with name {name} cannot be found.", 404)
    return holder


def _context(form: Form) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    number = 1
    while key := form.get(f"ContextEntries.member.{number}.ContextKeyName"):
        found[key.lower()] = _members(form, f"ContextEntries.member.{number}.ContextKeyValues")
        number += 1
    return found


def _result(action: str, resource: str, decision: Decision) -> str:
    verdict = "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny"
    matched = ""
    if decision.allowed or decision.explicit:
        kind = "Resource Policy" if decision.kind is Kind.RESOURCE else "IAM Policy"
        matched = (
            f"<member><SourcePolicyId>{escape(decision.policy, quote=False)}</SourcePolicyId>"
            f"<SourcePolicyType>{kind}</SourcePolicyType></member>"
        )
    return (
        f"<member><EvalActionName>{escape(action, quote=False)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource, quote=False)}</EvalResourceName>"
        f"<EvalDecision>{verdict}</EvalDecision><MatchedStatements>{matched}</MatchedStatements>"
        "<MissingContextValues></MissingContextValues></member>"
    )


def _members(form: Form, name: str) -> list[str]:
    found: list[str] = []
    while (value := form.get(f"{name}.member.{len(found) + 1}")) is not None:
        found.append(value)
    return found


def _read(text: str, name: str) -> Policy:
    try:
        return read_policy(text, name)
    except ValueError as error:
        raise AwsError("InvalidInput", f"The policy {name} is no policy: {error}", 400) from error


def _user(reader: PolicyReader, form: Form) -> str:
    name = form.get("UserName", "")
    if reader.user(name) is NOBODY:
        raise AwsError("NoSuchEntity", f"The user with name {name} cannot be found.", 404)
    return name


def _managed(reader: PolicyReader, arn: str) -> str:
    if reader.iam is None or arn not in reader.iam.managed_policies:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)
    return arn


_INLINE_SIZE_MAX = {"PutUserPolicy": 2_048, "PutGroupPolicy": 5_120, "PutRolePolicy": 10_240}
_MANAGED_SIZE_MAX = 6_144
_TRUST_SIZE_MAX = 2_048


def check_document(body: bytes) -> None:
    """AwsError MalformedPolicyDocument for what moto takes: any condition operator, and anything as trust policy."""
    fields = parse_qsl(body.decode("utf-8", "replace"))
    _check_size(dict(fields))
    for name, value in fields:
        is_trust = name == "AssumeRolePolicyDocument"
        if not is_trust and (name != "PolicyDocument" or "Condition" not in value):
            continue
        try:
            policy = read_policy(value)
        except ValueError as error:
            if is_trust or re.match("Invalid condition operator", str(error)):
                words = "This policy contains invalid Json" if _is_no_json(error) else str(error)
                raise AwsError("MalformedPolicyDocument", words, 400) from error
        else:
            if is_trust and not policy.statements:
                raise AwsError("MalformedPolicyDocument", "Syntax errors in policy.", 400)


def _check_size(fields: Mapping[str, str]) -> None:
    """AwsError LimitExceeded for a document over IAM's quotas, which leave out white space.

    AWS: the quota of inline policies is for all of one user, group or role. Here: for each.
    docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    operation = fields.get("Action", "")
    document = fields.get("PolicyDocument") or fields.get("AssumeRolePolicyDocument") or ""
    size = len(re.sub(r"\s", "", document)) if len(document) > _TRUST_SIZE_MAX else 0
    words = ""
    if size > (most := _INLINE_SIZE_MAX.get(operation, size)):
        kind = operation.removeprefix("Put").removesuffix("Policy")
        name = fields.get(f"{kind}Name", "")
        words = f"Maximum policy size of {most} bytes exceeded for {kind.lower()} {name}"
    elif size > _MANAGED_SIZE_MAX and operation in ("CreatePolicy", "CreatePolicyVersion"):
        words = f"Cannot exceed quota for PolicySize: {_MANAGED_SIZE_MAX}"
    elif size > _TRUST_SIZE_MAX and operation in ("CreateRole", "UpdateAssumeRolePolicy"):
        words = f"Cannot exceed quota for ACLSizePerRole: {_TRUST_SIZE_MAX}"
    if words:
        raise AwsError("LimitExceeded", words, 409)


def _is_no_json(error: ValueError) -> bool:
    return isinstance(error, json.JSONDecodeError) or "nested" in str(error)


def _wrap(operation: str, request: AwsRequest, result: str) -> AwsResponse:
    body = (
        f'<{operation}Response xmlns="{_NAMESPACE}">{result}'
        f"<ResponseMetadata><RequestId>{request.request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
    return AwsResponse(200, {"Content-Type": "text/xml"}, body.encode())
