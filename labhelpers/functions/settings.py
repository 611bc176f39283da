"""What a function is set to, apart from its code; and the checks of AWS that need more than one member. Pure.

Made at the cloud's edge from a request, kept by the registry.
docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from labhelpers import limits
from labhelpers.errors import INVALID_PARAMETER, AwsError
from labhelpers.functions.layers import LayerVersion

# docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html, "Reserved environment variables".
RESERVED_VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
DEFAULT_LOG_LEVEL = "INFO"


@dataclass(frozen=True, slots=True)
class Logging:
    """LoggingConfig: the levels are empty unless the format is JSON."""

    group: str
    format: str = "Text"
    application_level: str = ""
    system_level: str = ""


@dataclass(frozen=True, slots=True)
class Vpc:
    """VpcConfig: kept and shown; a function of this lab runs on the machine's own network."""

    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    dual_stack: bool = False


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """A function's configuration. `variables` is None when it never had an Environment; empty strings mean unset."""

    runtime: str
    handler: str
    role: str
    logging: Logging
    description: str = ""
    timeout_s: int = limits.TIMEOUT_S_DEFAULT
    memory_mb: int = limits.MEMORY_MB_DEFAULT
    ephemeral_storage_mb: int = limits.EPHEMERAL_STORAGE_MB_MIN
    architecture: str = "x86_64"
    variables: Mapping[str, str] | None = None
    layers: tuple[LayerVersion, ...] = ()
    vpc: Vpc | None = None
    tracing: str = "PassThrough"
    dead_letter_arn: str = ""
    kms_key_arn: str = ""


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """How asynchronous events of a function are kept, tried again and reported; empty ARNs where there is no target."""

    max_age_s: int = limits.EVENT_AGE_S_MAX
    max_retries: int = limits.EVENT_RETRIES_MAX
    on_success: str = ""
    on_failure: str = ""
    dlq: str = ""


@dataclass(frozen=True, slots=True)
class EventInvokeSettings:
    """An EventInvokeConfig as its owner set it: None for what was left to its default. `modified` is epoch seconds."""

    modified: float
    max_age_s: int | None = None
    max_retries: int | None = None
    on_success: str = field(default="")
    on_failure: str = field(default="")


def check_variables(variables: Mapping[str, str]) -> None:
    """Refuse reserved keys and more than 4 KB of environment variables: InvalidParameterValueException (400)."""
    reserved = [key for key in variables if key in RESERVED_VARIABLES]
    start = "Lambda was unable to configure your environment variables because the environment variables"
    if reserved:
        raise AwsError(
            INVALID_PARAMETER,
            f"{start} you have provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}",
        )
    measured = json.dumps(dict(variables), separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > limits.ENVIRONMENT_BYTES_MAX:
        raise AwsError(
            INVALID_PARAMETER,
            f"{start} you have provided exceeded the 4KB limit. String measured: {measured}",
        )


def check_code_size(unzipped: int, layers: tuple[LayerVersion, ...]) -> None:
    """Refuse a function that unpacks, with its layers, to more than 250 MB: InvalidParameterValueException (400)."""
    total = unzipped + sum(layer.package.unzipped_size for layer in layers)
    if total > limits.UNZIPPED_BYTES_MAX:
        raise AwsError(
            INVALID_PARAMETER,
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{limits.UNZIPPED_BYTES_MAX} bytes. The actual size is {total} bytes.",
        )


def changed_logging(old: Logging, change: Mapping[str, str]) -> Logging:
    """`old` with the members of a LoggingConfig request. Levels exist with JSON only, and default to INFO there."""
    kind = change.get("LogFormat") or old.format
    levels = (change.get("ApplicationLogLevel") or "", change.get("SystemLogLevel") or "")
    group = change.get("LogGroup") or old.group
    if kind != "JSON":
        if any(levels):
            raise AwsError(
                INVALID_PARAMETER,
                'LogLevel is not supported when LogFormat is set to "Text". '
                'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.',
            )
        return Logging(group, kind)
    application = levels[0] or old.application_level or DEFAULT_LOG_LEVEL
    return Logging(group, kind, application, levels[1] or old.system_level or DEFAULT_LOG_LEVEL)
