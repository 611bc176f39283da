"""Sources in any language: deployed, measured, refused; and the exercise of notebook 10."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import nbformat
import pytest

from labhelpers import Lab, deploy_source, languages_here, measure_function
from labhelpers.errors import LabError

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "notebooks" / "functions"
NOTEBOOK = nbformat.read(ROOT / "notebooks" / "10_any_language.ipynb", as_version=4)
EVENT = {"name": "Ada"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab for the whole module."""
    with Lab() as made:
        yield made


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The sources that the notebook writes, and those that it finds."""
    for cell in NOTEBOOK.cells:
        written = re.match(r"%%writefile my_work/(\S+)\n", cell.source)
        if written:
            (tmp_path / written[1]).write_text(cell.source[written.end() :], encoding="utf-8")
    for file in FUNCTIONS.glob("[Gg]reet.*"):
        shutil.copy(file, tmp_path)
    return tmp_path


def call(name: str, event: Any) -> Any:
    """What a call answers."""
    answer = boto3.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"])


@pytest.mark.parametrize(
    ("source", "program"),
    [
        ("greet.py", "sh"),
        ("greet.js", "node"),
        ("greet.rb", "ruby"),
        ("Greet.java", "javac"),
        ("greet.go", "go"),
        ("Greet.cs", "mcs"),
        ("greet.ps1", "pwsh"),
        ("greet.sh", "curl"),
    ],
)
def test_notebooks_function_in_each_language(lab: Lab, sources: Path, source: str, program: str) -> None:
    """All greet alike, count their calls, and fail without a name."""
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    name = source.replace(".", "_")
    deploy_source(name, sources / source, lab.role_arn, MemorySize=512, Timeout=10)
    assert [call(name, EVENT) for _ in range(2)] == [
        {"greeting": "Hello, Ada!", "calls": count} for count in (1, 2)
    ]
    assert {"errorType", "errorMessage"} <= set(call(name, {}))
    assert call(name, EVENT)["greeting"] == "Hello, Ada!"


def test_folded_sources_are_the_files() -> None:
    """What the notebook shows of the three files in functions/ is what is in them."""
    text = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")
    for name in ("Greet.cs", "greet.ps1", "greet.sh"):
        assert (FUNCTIONS / name).read_text(encoding="utf-8") in text


def test_costs_are_measured(lab: Lab, sources: Path) -> None:
    """Medians in milliseconds and megabytes; a function that fails is no measurement."""
    deploy_source("measured", sources / "greet.py", lab.role_arn)
    costs = measure_function("measured", EVENT, starts=2, calls=3)
    assert list(costs) == ["start (ms)", "first call (ms)", "warm call (ms)", "memory (MB)"]
    assert all(value > 0 for value in costs.values())
    with pytest.raises(LabError, match=r"'measured' failed: .*KeyError"):
        measure_function("measured", {})


def test_wrong_sources_are_told(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such file, an unknown ending, a missing program, and a compiler's own words."""
    odd = tmp_path / "greet.cobol"
    odd.write_text("")
    with pytest.raises(LabError, match=r"greet\.cobol ends in none of \.py \.js"):
        deploy_source("f", odd, lab.role_arn)
    with pytest.raises(LabError, match="there is no file"):
        deploy_source("f", tmp_path / "nothere.py", lab.role_arn)
    if shutil.which("g++"):
        broken = tmp_path / "broken.cpp"
        broken.write_text("int main() { return nothere; }\n")
        with pytest.raises(LabError, match=r"g\+\+ did not compile broken\.cpp:\n(.|\n)*nothere"):
            deploy_source("f", broken, lab.role_arn)
    monkeypatch.setenv("PATH", str(tmp_path))
    script = tmp_path / "greet.rb"
    script.write_text("")
    with pytest.raises(
        LabError, match=r"greet\.rb needs ruby, not on this machine: install it with `conda install"
    ):
        deploy_source("f", script, lab.role_arn)
    table = languages_here().set_index("language")
    assert bool(table.loc["Python", "here"]) and not bool(table.loc["Ruby", "here"])
    assert "brew install ruby" in str(table.loc["Ruby", "version, or how to get it"])


def exercise(lab: Lab, folder: Path, line: str) -> str:
    """What the notebook's check says of the stub with `line` in the learner's place."""
    code = {cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"}
    [stub] = [
        text.partition("\n")[2] for text in code if text.startswith("%%writefile my_work/own_runtime.bash")
    ]
    [check] = [text.rpartition("\n\n\n")[0] for text in code if text.startswith("def check(")]
    (folder / "my_work").mkdir(exist_ok=True)
    (folder / "my_work" / "own_runtime.bash").write_text(re.sub(r"    # Your line.*", lambda _: line, stub))
    from labhelpers import deploy_function

    names = {"Path": Path, "call": call, "deploy_function": deploy_function, "lab": lab}
    exec(check, names)
    return str(names["check"]("my_work/own_runtime.bash"))  # type: ignore[operator]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_exercise_knows_right_from_wrong(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folded solution is correct; the stub, another value, another address and a wrong id are not yet."""
    monkeypatch.chdir(tmp_path)
    text = "\n".join(cell.source for cell in NOTEBOOK.cells if cell.cell_type == "markdown")
    [solution] = re.findall(r"<summary>A solution</summary>\n\n```bash\n(.*?)\n```", text, re.DOTALL)
    assert exercise(lab, tmp_path, solution).startswith("Correct")
    undone = exercise(lab, tmp_path, "    # Your line")
    assert undone == "Not yet: the answer to 'Ada' is not 5, but Task timed out after 2.00 seconds"
    seven = exercise(lab, tmp_path, solution.replace("${#EVENT}", "7"))
    assert seven == "Not yet: the answer to 'Ada' is not 5, but 7"
    for wrong in (solution.replace("$REQUEST_ID", "me"), solution.replace("/response", "/answer")):
        assert exercise(lab, tmp_path, wrong).startswith("Not yet: ")
