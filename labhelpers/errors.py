"""Every error of the lab, split by whose fault it is.

AwsError        the request's fault (or a limit): answered as AWS would, with its code and HTTP status
  NotEmulated   the lab does not do this: says so by name, never a plausible answer (HTTP 501)
LabError        the lab, or the way its helpers were called: read by a learner in a traceback
  MachineError  this machine lacks something that the lab needs
A function's own errors are no exceptions here: they travel as `model.FunctionError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTERNAL = "ServiceException"
INVALID_PARAMETER = "InvalidParameterValueException"
RESOURCE_CONFLICT = "ResourceConflictException"
RESOURCE_NOT_FOUND = "ResourceNotFoundException"
TOO_MANY_REQUESTS = "TooManyRequestsException"
REQUEST_TOO_LARGE = "RequestTooLargeException"
INVALID_REQUEST_CONTENT = "InvalidRequestContentException"
VALIDATION = "ValidationException"
NOT_EMULATED = "NotEmulatedByThisLab"


class LabError(Exception):
    """Something about the lab itself; the message names the thing, the fact and the next step."""


class MachineError(LabError):
    """This machine lacks something that the lab needs."""


class AwsError(Exception):
    """An answer that AWS gives as an error.

    `code` is AWS's error code, `status` its HTTP status; `fields` are further members of the body (`Type`, ...).
    """

    def __init__(
        self, code: str, message: str, status: int = 400, *, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields: dict[str, Any] = dict(fields or {})


class NotEmulated(AwsError):
    """A feature that this lab refuses by name instead of pretending."""

    def __init__(self, what: str) -> None:
        super().__init__(
            NOT_EMULATED,
            f"This lab does not emulate {what}. On AWS it exists; the README lists what this lab leaves out.",
            501,
        )
