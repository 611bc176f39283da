"""A bucket that tells a function of its new objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from labhelpers import Lab, connect_bucket, deploy_function, event_outcomes, wait_for
from labhelpers.errors import LabError

HANDLER = "def handler(event, context):\n    return event['Records'][0]['s3']['object']['key']\n"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab."""
    with Lab() as lab:
        yield lab


def test_connected_bucket_starts_the_function_once_for_each_object(lab: Lab, tmp_path: Path) -> None:
    """The function's name is enough, and connecting again changes nothing."""
    (tmp_path / "told.py").write_text(HANDLER)
    deploy_function("told", tmp_path / "told.py", lab.role_arn)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="telling")
    connect_bucket("telling", "told")
    connect_bucket("telling", "told")
    for key in ("one", "two"):
        s3.put_object(Bucket="telling", Key=key, Body=b"")
    wait_for(lambda: list(event_outcomes(lab)["outcome"]) == ["succeeded"] * 2, "two runs")
    assert list(event_outcomes(lab)["function"]) == ["told", "told"]


def test_missing_bucket_and_function_are_named(lab: Lab, tmp_path: Path) -> None:
    """The error says which of the two is missing and how to make it; nothing is half connected."""
    (tmp_path / "deaf.py").write_text(HANDLER)
    deploy_function("deaf", tmp_path / "deaf.py", lab.role_arn)
    boto3.client("s3").create_bucket(Bucket="there")
    with pytest.raises(
        LabError, match=r"no bucket 'nosuch' to connect; `s3\.create_bucket\(Bucket='nosuch'\)`"
    ):
        connect_bucket("nosuch", "deaf")
    functions = boto3.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_policy(FunctionName="deaf")
    with pytest.raises(
        LabError, match=r"no function 'gone' to connect 'there' with; `deploy_function\('gone'"
    ):
        connect_bucket("there", "gone")
