"""README's list of what works and what is refused says what the code does."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from labhelpers.cloud import gateway_rest_routes, gateway_v2_service, refusals
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
    "private integrations of WebSocket APIs": "private integrations of HTTP APIs and of WebSocket APIs",
    "authorizers of type": "authorizers of other types than jwt and request in an OpenAPI document",
    "the condition": "conditions in a REST API's resource policy on anything but address, principal, source and TLS",
}
# Not a feature that is left out: another region, an operation that is not AWS's, another page's subject.
NO_FEATURE = ("API Gateway in", "API Gateway <>")


def refused_always() -> list[str]:
    """What moto would only pretend, in the words of the refusal."""
    found = {rule({}) for rule in refusals._RULES.values()}
    return sorted(
        what
        for what in found
        if what and not re.match(r"S3 (Get|Put|Delete|Post)[A-Z]|SNS subscr|log subscr", what)
    )


def gateway_refusals() -> list[str]:
    """What API Gateway's code refuses: the words before brackets and colons, up to what the learner has named."""
    folder = ROOT / "labhelpers"
    found = set(gateway_rest_routes.LEFT_OUT) | set(gateway_v2_service._NOT_HERE.values())
    for file in (*folder.glob("gateway/**/*.py"), *folder.glob("cloud/gateway_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "NotEmulated":
                found.add(literal(node.args[0]))
    words = {re.split(r" \(|: |<>", what)[0].strip() for what in found if not what.startswith(NO_FEATURE)}
    return sorted(words - {""})


def literal(node: ast.expr) -> str:
    """The text of a string or an f-string, with <> for what is put in; empty for a name."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "<>" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else ""


def test_every_service_on_offer_is_listed_and_no_other() -> None:
    """The first column names the services that the front door lets through."""
    listed = re.findall(r"`([a-z0-9-]+)`", " ".join(re.findall(r"^\|([^|]*)\|", TABLE, re.MULTILINE)))
    assert sorted(listed) == sorted(SERVICES)


@pytest.mark.parametrize("what", [*LEFT_OUT, *REFUSED.values(), *refused_always(), *gateway_refusals()])
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


def test_notebooks_are_listed() -> None:
    """The list names each notebook, in order, and no other."""
    listed = re.findall(r"^\| \[\d\d\]\(notebooks/(\S+)\) \|", README, re.MULTILINE)
    assert listed == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def test_example_runs_as_it_is(tmp_path: Path) -> None:
    """The program in the README needs nothing that it does not write itself."""
    [program] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("b'\"Hello world\"'\n", "")
