"""What stops a client before any integration is asked."""

from __future__ import annotations


class Refused(Exception):
    """The client may not pass: an HTTP status and the gateway's message; `reason` says why, for logs.

    `kind` is AWS's name of the error, as `x-amzn-ErrorType` has it.
    """

    def __init__(self, status: int, message: str, reason: str, kind: str = "AccessDeniedException") -> None:
        super().__init__(reason)
        self.status = status
        self.message = message
        self.reason = reason
        self.kind = kind
