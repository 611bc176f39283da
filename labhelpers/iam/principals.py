"""Who asks, and whether a Principal element names them. Pure.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

_ARN = re.compile(r"arn:aws[\w-]*:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<name>.+)")
_ACCOUNT = re.compile(r"\d{12}")


class Named(IntEnum):
    """How a Principal element names a caller, the weakest first."""

    NOT = 0
    ACCOUNT = 1  # Their account only: its own policies then decide.
    BROADLY = 2  # Their role, or everybody.
    ITSELF = 3  # The very user or session, or the service.


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller: a user, a session of a role (then with the role's ARN), an account's root, or a service."""

    arn: str = ""
    account: str = ""
    role_arn: str = ""
    service: str = ""

    @classmethod
    def of(cls, text: str, role_arn: str = "") -> Principal:
        """The principal that an ARN, an account's twelve digits or a service's name stands for."""
        if _ACCOUNT.fullmatch(text):
            return cls(f"arn:aws:iam::{text}:root", text)
        found = _ARN.fullmatch(text)
        if found is None:
            return cls(service=text)
        if found["name"].startswith("assumed-role/") and not role_arn:
            # The path of a role is not in its sessions' ARNs.
            role_arn = f"arn:aws:iam::{found['account']}:role/{found['name'].split('/')[1]}"
        return cls(text, found["account"], role_arn)

    def named_by(self, kind: str, names: Iterable[str]) -> Named:
        """How one kind of a Principal element (`AWS`, `Service`, ...) names this caller."""
        found = Named.NOT
        for name in names:
            if name == "*" and kind in ("AWS", "*"):
                found = max(found, Named.BROADLY)
            elif kind == "Service":
                found = max(found, Named.ITSELF if self.service and name == self.service else Named.NOT)
            elif kind == "AWS" and self.arn:
                found = max(found, self._named_as(name))
        return found

    def _named_as(self, name: str) -> Named:
        if name == self.arn and not name.endswith(":root"):
            return Named.ITSELF
        if self.role_arn and name == self.role_arn:
            return Named.BROADLY
        return Named.ACCOUNT if name in (self.account, f"arn:aws:iam::{self.account}:root") else Named.NOT


def named(principals: Mapping[str, tuple[str, ...]], caller: Principal) -> Named:
    """How a whole Principal element names a caller."""
    return max((caller.named_by(kind, names) for kind, names in principals.items()), default=Named.NOT)
