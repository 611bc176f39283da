"""Environment variables, log levels and sizes are refused as AWS refuses them."""

from __future__ import annotations

import pytest

from labhelpers.errors import AwsError
from labhelpers.functions.runtime_ids import check_runtime, only_python, runtime_version_arn
from labhelpers.functions.settings import Logging, changed_logging, check_variables


def test_reserved_variables_are_named() -> None:
    """All of them, in the order in which the request has them."""
    with pytest.raises(AwsError) as caught:
        check_variables({"AWS_REGION": "x", "FINE": "y", "AWS_SESSION_TOKEN": "z"})
    assert caught.value.message == (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
        "contains reserved keys that are currently not supported for modification. "
        "Reserved keys used in this request: AWS_REGION, AWS_SESSION_TOKEN"
    )


def test_variables_are_measured_as_json() -> None:
    """4,096 bytes of compact JSON are the limit; the refusal repeats what was measured."""
    frame = len('{"V":""}')
    check_variables({"V": "x" * (4096 - frame)})
    with pytest.raises(AwsError, match=r'exceeded the 4KB limit\. String measured: \{"V":"xxx'):
        check_variables({"V": "x" * (4097 - frame)})
    with pytest.raises(AwsError, match="4KB"):
        check_variables({"V": "é" * 2048})


@pytest.mark.parametrize(
    ("old", "change", "new"),
    [
        (Logging("g"), {"LogFormat": "JSON"}, Logging("g", "JSON", "INFO", "INFO")),
        (Logging("g"), {"LogGroup": "other"}, Logging("other")),
        (
            Logging("g", "JSON", "INFO", "WARN"),
            {"ApplicationLogLevel": "DEBUG"},
            Logging("g", "JSON", "DEBUG", "WARN"),
        ),
        (Logging("g", "JSON", "DEBUG", "WARN"), {"LogFormat": "Text"}, Logging("g")),
    ],
)
def test_log_settings_change_member_by_member(old: Logging, change: dict[str, str], new: Logging) -> None:
    """Levels come with JSON, at INFO, and go with it."""
    assert changed_logging(old, change) == new


def test_text_logs_have_no_level() -> None:
    """AWS says what to remove or to change."""
    with pytest.raises(AwsError, match='LogLevel is not supported when LogFormat is set to "Text"'):
        changed_logging(Logging("g"), {"ApplicationLogLevel": "DEBUG"})


def test_runtimes_are_accepted_deprecated_or_unknown() -> None:
    """Three answers of AWS; which of the accepted ones run here is another question."""
    check_runtime("python3.13")
    check_runtime("nodejs24.x")
    with pytest.raises(
        AwsError, match=r"The runtime parameter of python3\.7 is no longer supported for creating"
    ):
        check_runtime("python3.7")
    with pytest.raises(
        AwsError, match=r"Value PYTHON3\.13 at 'runtime' failed to satisfy constraint: .*valid ARN"
    ):
        check_runtime("PYTHON3.13")
    only_python("python3.14")
    with pytest.raises(AwsError, match=r"does not emulate the runtime nodejs24\.x") as caught:
        only_python("nodejs24.x")
    assert caught.value.status == 501


def test_runtime_version_arn_has_awss_form() -> None:
    """Sixty-four hexadecimal digits, the same for one runtime every time."""
    arn = runtime_version_arn("us-east-1", "python3.13")
    assert arn == runtime_version_arn("us-east-1", "python3.13")
    prefix, _, digits = arn.rpartition(":")
    assert prefix == "arn:aws:lambda:us-east-1::runtime"
    assert len(digits) == 64
    assert int(digits, 16)
