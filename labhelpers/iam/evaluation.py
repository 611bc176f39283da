"""How IAM decides: an explicit deny wins, then somebody must allow, within the bounds that are set. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from labhelpers.iam.documents import Policy, Request
from labhelpers.iam.principals import Named


class Kind(Enum):
    """The kinds of policies, in the words of AWS's messages."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not; if not, by a statement that denies (`explicit`) or for want of an allow in policies of `kind`.

    `policy` and `sid` name the statement that decided, where one did.
    """

    allowed: bool
    kind: Kind = Kind.IDENTITY
    explicit: bool = False
    policy: str = ""
    sid: str = ""

    @property
    def reason(self) -> str:
        """Why not, as AWS's messages end; "" if allowed. `{action}` stands for the action's name."""
        if self.allowed:
            return ""
        if self.explicit:
            return f"with an explicit deny in {_article(self.kind)} {self.kind.value}"
        return f"because no {self.kind.value} allows the {{action}} action"


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies that bear on a caller and a resource.

    `boundary` and `session` are None where there is no such bound. `resource_decides`: without a word of the
    resource's policy nothing else counts, as with KMS keys, trust policies and callers of other accounts.
    """

    identity: tuple[Policy, ...] = ()
    resource: Policy | None = None
    boundary: Policy | None = None
    session: tuple[Policy, ...] | None = None
    resource_decides: bool = False


def decide(request: Request, policies: Policies) -> Decision:
    """What IAM says to a request of a caller in the resource's own account."""
    resource = () if policies.resource is None else (policies.resource,)
    boundary = () if policies.boundary is None else (policies.boundary,)
    said = {
        Kind.IDENTITY: _ask(request, policies.identity),
        Kind.RESOURCE: _ask(request, resource),
        Kind.BOUNDARY: _ask(request, boundary),
        Kind.SESSION: _ask(request, policies.session or ()),
    }
    for kind, answer in said.items():
        if answer.denied is not None:
            return Decision(False, kind, True, *answer.denied)
    granted = said[Kind.RESOURCE].allowed
    if policies.resource_decides and granted is Named.NOT:
        return Decision(False, Kind.RESOURCE)
    if granted is Named.ITSELF:
        # AWS: what a resource grants to this very user or session, no boundary takes away silently.
        return Decision(True, Kind.RESOURCE, False, *said[Kind.RESOURCE].by)
    identity = said[Kind.IDENTITY]
    if identity.allowed is Named.NOT and granted < Named.BROADLY:
        return Decision(False, Kind.IDENTITY)
    if policies.boundary is not None and said[Kind.BOUNDARY].allowed is Named.NOT:
        return Decision(False, Kind.BOUNDARY)
    if policies.session is not None and said[Kind.SESSION].allowed is Named.NOT:
        return Decision(False, Kind.SESSION)
    by = identity if identity.allowed else said[Kind.RESOURCE]
    return Decision(True, Kind.IDENTITY if identity.allowed else Kind.RESOURCE, False, *by.by)


@dataclass(slots=True)
class _Answer:
    allowed: Named = Named.NOT
    by: tuple[str, str] = ("", "")
    denied: tuple[str, str] | None = None


def _ask(request: Request, policies: Iterable[Policy]) -> _Answer:
    answer = _Answer()
    for policy in policies:
        for statement in policy.statements:
            how = statement.applies(request)
            if how is Named.NOT:
                continue
            if not statement.allow:
                answer.denied = (policy.arn, statement.sid)
                return answer
            if how > answer.allowed:
                answer.allowed, answer.by = how, (policy.arn, statement.sid)
    return answer


def _article(kind: Kind) -> str:
    return "an" if kind.value[0] in "aeiou" else "a"
