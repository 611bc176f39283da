"""Who signed a request to an API whose method or route asks for IAM. The check itself is the cloud's `Authenticator`.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labhelpers.gateway.exchange import GatewayRequest
from labhelpers.iam.documents import Policy


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose signature is right. `user_arn` is a user's or a role session's ARN; `user_id` its unique id."""

    access_key: str
    account_id: str
    user_arn: str
    user_id: str


class NotIdentified(Exception):
    """No signature, or a wrong one: the message is what AWS answers, with 403; `code` is its x-amzn-ErrorType."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


Identify = Callable[[GatewayRequest], Identity]
# Asks IAM whether a caller may do an action on a resource with a policy of its own (or None), given further condition
# keys: why not, as AWS's messages end ("because no identity-based policy allows ..."); "" if they may.
MayCall = Callable[[Identity, str, str, Policy | None, Mapping[str, Sequence[str]]], str]


def everybody_may(
    who: Identity, action: str, resource: str, policy: Policy | None, context: Mapping[str, Sequence[str]]
) -> str:
    """Stands for IAM where nothing is asked of it."""
    return ""


def masked(arn: str, account_id: str) -> str:
    """An ARN as API Gateway's messages show it: of the account only the last four digits."""
    return arn.replace(account_id, f"********{account_id[-4:]}")
