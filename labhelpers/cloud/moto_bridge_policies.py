"""The policies of IAM's users and roles in moto, read for decisions. Plain reads, on any thread.

Called by `permissions`; what it answers is kept there until somebody changes something in IAM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from labhelpers.iam.documents import Policy, read_policy
from labhelpers.model import Account


@dataclass(frozen=True, slots=True)
class Holder:
    """A user or role: its ARN and unique id, its policies with those of its groups, its bound and its tags."""

    arn: str
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    user_name: str = ""
    trust: Policy | None = None


NOBODY = Holder("")
# A bound that names a policy which is gone allows nothing.
_NOTHING = Policy(())


class PolicyReader:
    """Reads policies out of moto's IAM (`iam` gives its backend, None while it is not loaded).

    `user_boundaries` are permissions boundaries of users, by name, which moto does not keep; `federated` tells of
    GetFederationToken's keys who made them, and with which policy.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self.iam: Any = None
        self.user_boundaries: dict[str, str] = {}
        self.federated: dict[str, tuple[str, Policy | None]] = {}
        self._read: dict[tuple[str, str], Policy] = {}

    def role(self, name: str) -> Holder:
        """The role of that name; NOBODY if there is none."""
        role = next((r for r in list(self.iam.roles.values()) if r.name == name), None) if self.iam else None
        if role is None:
            return NOBODY
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in role.tags or ()}
        trust = self._document(str(role.assume_role_policy_document or "{}"), role.arn)
        return Holder(
            role.arn, tuple(self._of(role)), self._boundary(role.permissions_boundary_arn), tags, "", trust
        )

    def user(self, name: str) -> Holder:
        """The user of that name; NOBODY if there is none."""
        user = self.iam.users.get(name) if self.iam else None
        if user is None:
            return NOBODY
        found = list(self._of(user))
        for group in list(self.iam.groups.values()):
            if user in group.users:
                found += self._of(group)
        return Holder(
            user.arn,
            tuple(found),
            self._boundary(self.user_boundaries.get(name)),
            self._tags_of(user),
            name,
        )

    def session_policy(self, access_key_id: str) -> Policy | None:
        """The policy that AssumeRole was given for a session; None if it was given none."""
        sts: Any = import_module("moto.sts.models")
        for session in list(sts.sts_backends[self._account.id]["aws"].assumed_roles):
            if session.access_key_id == access_key_id:
                return self._document(session.policy, "") if session.policy else None
        return None

    def _of(self, owner: Any) -> Iterator[Policy]:
        """Inline policies, then managed ones. A document that cannot be read allows nothing."""
        for name, document in list(owner.policies.items()):
            yield self._document(document, str(name))
        for policy in list(owner.managed_policies.values()):
            yield self._document(_default_version(policy), policy.arn)

    def _boundary(self, arn: str | None) -> Policy | None:
        if not arn:
            return None
        policy = self.iam.managed_policies.get(arn)
        return _NOTHING if policy is None else self._document(_default_version(policy), arn)

    def _tags_of(self, user: Any) -> dict[str, str]:
        tags = self.iam.tagger.list_tags_for_resource(user.arn)["Tags"]
        return {str(tag["Key"]): str(tag["Value"]) for tag in tags}

    def _document(self, document: Any, arn: str) -> Policy:
        if not isinstance(document, str):
            document = str(document)
        key = (arn, document)
        found = self._read.get(key)
        if found is None:
            if len(self._read) > _KEPT:
                self._read.clear()
            try:
                found = read_policy(document, arn)
            except ValueError:
                found = _NOTHING
            self._read[key] = found
        return found


_KEPT = 1_000


def _default_version(policy: Any) -> str:
    for version in policy.versions:
        if version.version_id == policy.default_version_id:
            return str(version.document)
    return "{}"
