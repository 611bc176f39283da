"""The runtime ids that Lambda knows, and which of them it still takes for new functions. Pure.

docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html; the accepted set and its order are those of AWS's own
refusal, recorded January 2026.
"""

from __future__ import annotations

import hashlib

from labhelpers.errors import INVALID_PARAMETER, AwsError, NotEmulated

ACCEPTED = (
    "nodejs20.x",
    "python3.14",
    "provided.al2023",
    "python3.12",
    "python3.13",
    "nodejs24.x",
    "nodejs22.x",
    "java25",
    "python3.10",
    "python3.11",
    "java21",
    "ruby3.3",
    "ruby3.4",
    "ruby3.2",
    "python3.8",
    "python3.9",
    "java17",
    "nodejs16.x",
    "dotnet10",
    "dotnet8",
    "java11",
    "dotnet6",
    "nodejs18.x",
    "provided.al2",
    "java8.al2",
)
DEPRECATED = (
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
)


def check_runtime(runtime: str) -> None:
    """Refuse an unknown or a deprecated runtime as AWS does: InvalidParameterValueException (400)."""
    if runtime in ACCEPTED:
        return
    if runtime in DEPRECATED:
        raise AwsError(
            INVALID_PARAMETER,
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions.",
        )
    raise AwsError(
        INVALID_PARAMETER,
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
        f"[{', '.join(ACCEPTED)}] or be a valid ARN",
    )


def only_python(runtime: str, handler: str = "") -> None:
    """The default answer to "can this lab run it?": every Python, nothing else (NotEmulated)."""
    if not runtime.startswith("python3."):
        raise NotEmulated(f"the runtime {runtime}")


def runtime_version_arn(region: str, runtime: str) -> str:
    """The ARN of the runtime version in use; as on AWS the last part is 64 hexadecimal digits that name no version."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"
