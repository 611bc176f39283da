"""The forms in which a caller names a function: name, partial ARN, ARN, each perhaps with a qualifier. Pure.

Read by the registry; AWS's page: docs.aws.amazon.com/lambda/latest/api/API_Invoke.html (FunctionName, Qualifier).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from labhelpers.errors import INVALID_PARAMETER, RESOURCE_NOT_FOUND, AwsError
from labhelpers.functions.constraints import Structure, Text, check
from labhelpers.model import Account

REGION = r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}"
_PREFIX = rf"(arn:(aws[a-zA-Z-]*)?:lambda:)?({REGION}:)?(\d{{12}}:)?(function:)?"

# What may name a function that exists, one that is to be made, and one as a whole; AWS's own patterns.
NAMESPACED_NAME = Text(1, 256, rf"{_PREFIX}([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?")
FUNCTION_NAME = Text(1, 140, rf"{_PREFIX}([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?")
QUALIFIER = Text(1, 128, r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+")
ALIAS_NAME = Text(1, 128, r"(?!^[0-9]+$)([a-zA-Z0-9-_]+)")

NAME_LENGTH_MAX = 64

_PARTS = re.compile(
    rf"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:(?P<region>{REGION}):)?(?:(?P<account>\d{{12}}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_\.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_REFERENCE = Structure({"Qualifier": QUALIFIER, "FunctionName": NAMESPACED_NAME}, required=("FunctionName",))


@dataclass(frozen=True, slots=True)
class FunctionReference:
    """A function as a caller named it; `qualifier` is empty when the caller gave none."""

    name: str
    qualifier: str = ""


def read_reference(function: str, qualifier: str, account: Account) -> FunctionReference:
    """What `function` and `qualifier` name in this account.

    AwsError as AWS: ValidationException (a wrong form), InvalidParameterValueException (two qualifiers that differ),
    ResourceNotFoundException (another region), AccessDeniedException (another account).
    """
    request = {"FunctionName": function, "Qualifier": qualifier or None}
    check(_REFERENCE, request)
    parts = _PARTS.fullmatch(function)
    assert parts is not None, "the constraint above allows only what this pattern reads"
    if parts["region"] and parts["region"] != account.region:
        message = f"Functions from '{parts['region']}' are not reachable in this region ('{account.region}')"
        raise AwsError(RESOURCE_NOT_FOUND, message, 404)
    if parts["account"] and parts["account"] != account.id:
        raise AwsError("AccessDeniedException", "", 403, fields={"Message": None})
    named = parts["qualifier"] or ""
    if named and qualifier and named != qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise AwsError(INVALID_PARAMETER, message)
    return FunctionReference(parts["name"], qualifier or named)


def function_arn(account: Account, name: str, qualifier: str = "") -> str:
    """The ARN of a function, with `:qualifier` if there is one."""
    arn = f"arn:aws:lambda:{account.region}:{account.id}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def is_alias(qualifier: str) -> bool:
    """Whether a qualifier has the form of an alias's name (a version is digits, and `$LATEST` neither)."""
    return next(ALIAS_NAME.broken(qualifier), None) is None


def is_version(qualifier: str) -> bool:
    """Whether a qualifier has the form of a published version's number."""
    return qualifier.isascii() and qualifier.isdigit()


def function_not_found(arn: str) -> AwsError:
    """AWS's answer for a function, version or alias that does not exist; `arn` as AWS prints it for that operation."""
    return AwsError(RESOURCE_NOT_FOUND, f"Function not found: {arn}", 404)


def alias_not_found(arn: str) -> AwsError:
    """AWS's answer where only an alias would do."""
    return AwsError(RESOURCE_NOT_FOUND, f"Cannot find alias arn: {arn}", 404)
