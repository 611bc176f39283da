"""Who signed a request to an API whose method or route asks for IAM. The check itself is the cloud's `Authenticator`.

docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.gateway.exchange import GatewayRequest


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
