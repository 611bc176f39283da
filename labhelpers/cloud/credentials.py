"""The keys that this cloud knows: the lab's own, those of execution environments, and those that IAM and STS gave out.

Called by `authentication` for each request, and by whoever starts an execution environment.
"""

from __future__ import annotations

import hmac
import math
import secrets
import string
import time
from collections.abc import Callable

from labhelpers.cloud.denials import Denial, Denied
from labhelpers.model import Account, Credentials

LEARNER = "learner"
_LETTERS = string.ascii_letters + string.digits
_KEY_LETTERS = string.ascii_uppercase + "234567"

Lookup = Callable[[str], Credentials | None]


def nobody(access_key_id: str) -> Credentials | None:
    """A lookup that knows no keys."""
    return None


class Keys:
    """All keys of one lab. `lab` signs the learner's calls; `token` is what `/_lab/...` takes instead of a signature.

    `lookup` is asked for keys that are not held here: those that IAM's and STS's callers made.
    """

    def __init__(self, account: Account, lookup: Lookup = nobody) -> None:
        self._account = account
        self.lookup = lookup
        self.token = secrets.token_urlsafe(32)
        learner = f"arn:aws:iam::{account.id}:user/{LEARNER}"
        self.lab = Credentials(_key_id("AKIA"), _random(_LETTERS, 40), learner)
        self._held: dict[str, Credentials] = {self.lab.access_key_id: self.lab}
        self._ends: dict[str, float] = {}

    def mint_role_credentials(self, role_arn: str, session_name: str) -> Credentials:
        """Temporary keys for one session of a role; they hold until `forget`, as long as its environment lives."""
        role = role_arn.rpartition("/")[2]
        return self.mint(f"arn:aws:sts::{self._account.id}:assumed-role/{role}/{session_name}")

    def mint(self, principal: str, until: float = math.inf) -> Credentials:
        """Temporary keys that stand for `principal` (an ARN) until `forget`, or until a moment in epoch seconds."""
        made = Credentials(_key_id("ASIA"), _random(_LETTERS, 40), principal, secrets.token_urlsafe(96))
        self._held[made.access_key_id] = made
        if until != math.inf:
            self._ends[made.access_key_id] = until
        return made

    def forget(self, access_key_id: str) -> None:
        """These keys are worth nothing from now on."""
        self._held.pop(access_key_id, None)
        self._ends.pop(access_key_id, None)

    def find(self, access_key_id: str, token: str) -> Credentials:
        """The keys of that id. Denied if there are none, or if `token` is not the one that belongs to them."""
        found = self._held.get(access_key_id) or self.lookup(access_key_id)
        if found and self._ends and self._ends.get(access_key_id, math.inf) < time.time():
            raise Denied(Denial.EXPIRED_TOKEN)
        if found is None:
            raise Denied(Denial.UNKNOWN_KEY, fields={"AWSAccessKeyId": access_key_id})
        if not hmac.compare_digest(found.token.encode(), token.encode(errors="replace")):
            raise Denied(Denial.WRONG_TOKEN, fields={"Token-0": token})
        return found

    def holds(self, access_key_id: str) -> bool:
        """Whether these keys are kept here, as those of execution environments are."""
        return access_key_id in self._held

    def is_lab_token(self, token: str) -> bool:
        """Whether `token` is the one of this lab."""
        return hmac.compare_digest(self.token.encode(), token.encode(errors="replace"))


def _key_id(prefix: str) -> str:
    return prefix + _random(_KEY_LETTERS, 16)


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))
