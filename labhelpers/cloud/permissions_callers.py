"""Callers as IAM sees them: whose keys they are, which policies bear on them, and decisions that were made before.

Called by `permissions`; reads moto's IAM through `moto_bridge_policies`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from labhelpers.cloud import permissions_context as contexts
from labhelpers.cloud.credentials import LEARNER, Keys
from labhelpers.cloud.moto_bridge_policies import NOBODY, Holder, PolicyReader
from labhelpers.iam.documents import Policy, Statement
from labhelpers.iam.evaluation import Decision
from labhelpers.iam.patterns import Context
from labhelpers.iam.principals import Principal
from labhelpers.model import Account, Credentials

_EVERYTHING = Policy((Statement(True, ("*",), ("*",)),), "the lab's own rights")
_KEPT = 10_000


@dataclass(slots=True)
class KnownCaller:
    """A caller with the policies that bear on them, as they were at one revision of IAM's settings.

    `plain`: no policy looks at anything but action and resource, so `decided` may answer again.
    """

    principal: Principal
    holder: Holder
    session: tuple[Policy, ...] | None
    context: Context
    plain: bool
    keys: frozenset[str]
    decided: dict[tuple[str, str, int], Decision] = field(default_factory=dict)

    def keep(self, key: tuple[str, str, int], decision: Decision) -> None:
        """A decision that holds as long as nothing changes."""
        if len(self.decided) > _KEPT:
            self.decided.clear()
        self.decided[key] = decision


class Callers:
    """Finds callers by their keys. `function_arn` answers the ARN of a function by its name, "" if there is none."""

    def __init__(
        self,
        account: Account,
        keys: Keys,
        reader: PolicyReader,
        unique_id: Callable[[str], str],
        function_arn: Callable[[str], str],
    ) -> None:
        self._account = account
        self._keys = keys
        self._reader = reader
        self._unique_id = unique_id
        self._function_arn = function_arn
        self._known: dict[tuple[str, str], KnownCaller] = {}
        self._owner = (f"arn:aws:iam::{account.id}:user/{LEARNER}", f"arn:aws:iam::{account.id}:root")

    def forget(self) -> None:
        """Something in IAM has changed."""
        self._known.clear()

    def is_owner(self, principal: str) -> bool:
        """Whether that is the learner, or the lab itself: they may do everything."""
        return principal in self._owner

    def find(self, credentials: Credentials) -> KnownCaller:
        """The caller whose keys these are."""
        return self.by_arn(credentials.principal, credentials.access_key_id)

    def by_arn(self, arn: str, access_key_id: str = "") -> KnownCaller:
        """The caller of that ARN (a user, a session of a role, a federated user), perhaps with a session's key."""
        found = self._known.get((arn, access_key_id))
        if found is None:
            if len(self._known) > _KEPT:
                self._known.clear()
            found = self._known[arn, access_key_id] = self._read(arn, access_key_id)
        return found

    def role_session(self, role_arn: str) -> KnownCaller:
        """Lambda itself with the execution role of that ARN."""
        name = role_arn.rpartition("/")[2]
        return self.by_arn(f"arn:aws:sts::{self._account.id}:assumed-role/{name}/awslambda")

    def arn_of(self, kind: str, name: str) -> str:
        """The ARN, with its path, of the role or user of that name; "" if there is none."""
        return (self._reader.role(name) if kind == "role" else self._reader.user(name)).arn

    def trust_of(self, role_arn: str) -> Policy | None:
        """Who may take on the role of that ARN; None if there is no such role."""
        holder = self._reader.role(role_arn.rpartition("/")[2])
        return holder.trust if holder.arn == role_arn else None

    def _read(self, arn: str, access_key_id: str) -> KnownCaller:
        kind, _, rest = arn.rpartition(":")[2].partition("/")
        holder, function = NOBODY, ""
        session: tuple[Policy, ...] | None = None
        own_key = self._keys.holds(access_key_id)
        if kind == "assumed-role":
            holder = self._reader.role(rest.partition("/")[0])
            if own_key:
                function = self._function_arn(rest.partition("/")[2])
            elif access_key_id and (given := self._reader.session_policy(access_key_id)):
                session = (given,)
        elif kind == "user":
            holder = self._reader.user(rest.rpartition("/")[2])
        elif kind == "federated-user":
            maker, policy = self._reader.federated.get(access_key_id, ("", None))
            holder = (
                Holder(maker, (_EVERYTHING,))
                if self.is_owner(maker)
                else self._reader.user(maker.rpartition("/")[2])
            )
            session = () if policy is None else (policy,)
        principal = Principal.of(arn, holder.arn if kind == "assumed-role" else "")
        bounds = () if holder.boundary is None else (holder.boundary,)
        policies = (*holder.policies, *bounds, *(session or ()))
        context = contexts.of_caller(
            principal,
            user_id=self._unique_id(arn),
            user_name=holder.user_name if kind == "user" else "",
            tags=holder.tags,
            function_arn=function,
        )
        plain = contexts.is_plain(policies)
        return KnownCaller(principal, holder, session, context, plain, contexts.keys_of(policies))
