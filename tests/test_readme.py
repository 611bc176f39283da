"""README's list of what works and what is refused says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labhelpers.cloud import refusals
from labhelpers.cloud.lambda_service_routes import LEFT_OUT
from labhelpers.cloud.lambda_service_settings import REFUSED
from labhelpers.cloud.services import SERVICES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("| service | what works |")[2].partition("Every other service")[0]
# One word for each of these refusals stands for several of the same kind.
GROUPED = {
    "exports of CloudWatch Logs": "exports and live tail of CloudWatch Logs",
    "live tail of CloudWatch Logs": "exports and live tail of CloudWatch Logs",
    "metric filters of CloudWatch Logs": "metric filters",
    "exports of DynamoDB tables": "imports and exports of DynamoDB tables",
    "imports of DynamoDB tables": "imports and exports of DynamoDB tables",
    "hosted pages of Cognito user pools": "hosted pages of Cognito user pools",
    "replication of secrets": "rotation and replication of secrets",
    "rotation of secrets": "rotation and replication of secrets",
}


def refused_always() -> list[str]:
    """What moto would only pretend, in the words of the refusal."""
    found = {rule({}) for rule in refusals._RULES.values()}
    return sorted(
        what
        for what in found
        if what and not re.match(r"S3 (Get|Put|Delete|Post)[A-Z]|SNS subscr|log subscr", what)
    )


def test_every_service_on_offer_is_listed_and_no_other() -> None:
    """The first column names the services that the front door lets through."""
    listed = re.findall(r"`([a-z0-9-]+)`", " ".join(re.findall(r"^\|([^|]*)\|", TABLE, re.MULTILINE)))
    assert sorted(listed) == sorted(SERVICES)


@pytest.mark.parametrize("what", [*LEFT_OUT, *REFUSED.values(), *refused_always()])
def test_what_is_refused_is_listed(what: str) -> None:
    """Each refusal's words, without what stands in brackets, are in the table."""
    words = GROUPED.get(what, re.sub(r" \((?!capacity|EFS).*?\)$", "", what))
    assert words in TABLE


def test_pictures_have_their_alt_text() -> None:
    """The text beside the picture is the one that is kept with it."""
    for alt, name in re.findall(r"!\[(.*?)\]\(Images/(\w+)\.png\)", README):
        assert f'"{name}"' in (ROOT / "Images" / "alt.json").read_text(encoding="utf-8")
        assert alt in (ROOT / "Images" / "alt.json").read_text(encoding="utf-8")


def test_folders_in_the_map_are_there() -> None:
    """The map of the folders names each folder at the top, and no other."""
    listed = set(re.findall(r"^\| `([\w/]+)/` \|", README, re.MULTILINE))
    assert listed == {"notebooks", "labhelpers", "Images", "tests", "docs/decisions", "tools"}
    assert all((ROOT / name).is_dir() for name in listed)
