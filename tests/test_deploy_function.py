"""Functions from files by one call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from labhelpers import Lab, deploy_function
from labhelpers.errors import LabError


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab."""
    with Lab() as lab:
        yield lab


def written(folder: Path, answer: str) -> Path:
    """A handler file that answers `answer` and its variable GREETING."""
    path = folder / "hello.py"
    path.write_text(
        f"import os\ndef handler(event, context):\n    return [{answer!r}, os.environ.get('GREETING')]\n"
    )
    return path


def called(name: str) -> object:
    """What the function answers."""
    return json.load(boto3.client("lambda").invoke(FunctionName=name)["Payload"])


def test_file_becomes_a_function_that_answers(lab: Lab, tmp_path: Path) -> None:
    """Without settings the handler is `handler` in the file, and the function is ready when the call returns."""
    arn = deploy_function("first", written(tmp_path, "one"), lab.role_arn)
    assert arn == f"arn:aws:lambda:{lab.region}:{lab.account_id}:function:first"
    assert called("first") == ["one", None]


def test_second_deployment_updates_code_and_settings(lab: Lab, tmp_path: Path) -> None:
    """A cell may be run again: what is there is updated."""
    deploy_function("twice", written(tmp_path, "one"), lab.role_arn)
    variables = {"Variables": {"GREETING": "Moin"}}
    deploy_function("twice", written(tmp_path, "two"), lab.role_arn, Timeout=7, Environment=variables)
    assert called("twice") == ["two", "Moin"]
    settings = boto3.client("lambda").get_function_configuration(FunctionName="twice")
    assert (settings["Timeout"], settings["Handler"]) == (7, "hello.handler")


def test_missing_file_is_named(lab: Lab, tmp_path: Path) -> None:
    """Nothing is created from a file that is not there."""
    with pytest.raises(LabError, match="no_such_file"):
        deploy_function("none", tmp_path / "no_such_file.py", lab.role_arn)


@pytest.mark.parametrize(
    ("role", "settings", "words"),
    [
        (
            "arn:aws:iam::123456789012:role/none",
            {},
            r"cannot be assumed by Lambda(?s:.)*give it `lab\.role_arn`",
        ),
        ("", {"Timeout": 901}, r"less than or equal to 900; correct what it names"),
        ("", {"Timeot": 9}, r'Unknown parameter in input: "Timeot"(?s:.)*; correct what it names'),
    ],
)
def test_refusal_names_the_function_and_the_next_step(
    lab: Lab, tmp_path: Path, role: str, settings: dict[str, int], words: str
) -> None:
    """AWS's own words are in it."""
    with pytest.raises(LabError, match=rf"the function 'refused' was not deployed: (?s:.)*{words}"):
        deploy_function("refused", written(tmp_path, "one"), role or lab.role_arn, **settings)
