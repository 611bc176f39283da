"""How each service says that IAM refuses a call: code, status and message. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

from labhelpers.cloud.permissions_asks import Ask
from labhelpers.cloud.protocol import Form
from labhelpers.cloud.services import Service
from labhelpers.errors import AwsError
from labhelpers.iam.evaluation import Decision, Kind

# Code and status by the form of a service; those below have their own.
_BY_FORM = {
    Form.S3: ("AccessDenied", 403),
    Form.QUERY: ("AccessDenied", 403),
    Form.EC2: ("UnauthorizedOperation", 403),
    Form.JSON: ("AccessDeniedException", 400),
    Form.REST_JSON: ("AccessDeniedException", 403),
    Form.CBOR: ("AccessDeniedException", 400),
}
_BY_SERVICE = {
    "sns": ("AuthorizationError", 403),
    "sqs": ("AccessDenied", 403),
    "cloudwatch": ("AccessDenied", 403),
}


def refusal(service: Service, principal: str, ask: Ask, decision: Decision) -> AwsError:
    """The error that a refused caller gets."""
    code, status = _BY_SERVICE.get(service.name) or _BY_FORM[service.form]
    text = message(service.name, principal, ask, decision)
    # AWS: Lambda spells this member of the body with a capital.
    return AwsError(code, text, status, fields={"Message": text} if service.name == "lambda" else None)


def message(service: str, principal: str, ask: Ask, decision: Decision) -> str:
    """`User: ... is not authorized to perform: ... on resource: ... because ...`, as the service spells it."""
    action, resource = ask.action, ask.shown or ask.resource
    if service == "sqs":
        action = action.lower()
    elif service == "s3":
        resource = f'"{resource}"'
    text = f"User: {principal} is not authorized to perform: {action} on resource: {resource}"
    if ask.action == "sts:AssumeRole" and decision.kind is Kind.RESOURCE and not decision.explicit:
        return text  # AWS: does not say whether there is such a role.
    return f"{text} {decision.reason.format(action=action)}"


def next_step(ask: Ask, decision: Decision, holder: str) -> str:
    """What would let the call through, for the journal. `holder` is the role's or user's ARN."""
    kind, _, name = holder.rpartition(":")[2].partition("/")
    who = f"the {kind} {name.rpartition('/')[2]}" if name else "the caller"
    if decision.explicit:
        where = decision.policy or f"the {decision.kind.value}"
        statement = f", statement {decision.sid}" if decision.sid else ""
        return f"{where}{statement} denies it: no allow is stronger; change that statement"
    if decision.kind is Kind.RESOURCE:
        return f"let the policy of {ask.resource} allow {ask.action} to {who}"
    if decision.kind is Kind.IDENTITY:
        return f"give {who} a policy that allows {ask.action} on {ask.resource}"
    return f"the {decision.kind.value} of {who} has to allow {ask.action} on {ask.resource}, too"
