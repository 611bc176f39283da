"""The doctor: what it says of this machine, and its run of the pipeline."""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from labhelpers.course import doctor
from labhelpers.course.doctor import Check, Checks, check_machine, run_pipeline
from labhelpers.errors import LabError

PATIENCE_S = 60.0


def test_doctor_runs_the_pipeline_and_says_so() -> None:
    """The doctor's run ends with a time, and every line of its report starts with the seconds so far."""
    said: list[str] = []
    assert 0 < run_pipeline(said.append) < PATIENCE_S
    assert len(said) >= 6
    assert all(line.split()[1] == "s" for line in said)


def test_this_machine_has_all_that_the_course_needs() -> None:
    """A machine that passed `make setup` has nothing missing."""
    checks = check_machine()
    assert checks.all_good, repr(checks)


def test_missing_library_is_named_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said by name, with what to do, and the command fails without starting anything."""
    real = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "awslambdaric" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    said: list[str] = []
    assert doctor.main(said.append) == 1
    text = "\n".join(said)
    assert "MISSING  AWS's runtime client: the package awslambdaric is not installed" in text
    assert "-> run `make setup`" in text


def test_table_shows_data_as_text() -> None:
    """What was seen is text in the notebook's table, whatever characters it has."""
    html = Checks((Check("a<b", None, "<script>", "x&y"),))._repr_html_()
    assert "<script>" not in html
    assert "a&lt;b" in html
    assert "x&amp;y" in html


@pytest.mark.parametrize("isolation", ["off", ""])
def test_root_folder_of_functions_is_told(monkeypatch: pytest.MonkeyPatch, isolation: str) -> None:
    """Whether functions get a root folder of their own is what a lab on this machine would find, too."""
    monkeypatch.setenv("LABHELPERS_ISOLATION", isolation)
    [check] = [check for check in check_machine() if check.name == "functions' files"]
    if isolation == "off" or not doctor.has_namespaces():
        assert check.good is None
        assert "plain folders" in check.fact and check.next_step
    else:
        assert check.good is True
        assert "root folder of its own" in check.fact


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ImportError("No module named 'psycopg_binary'"),
            "ImportError: No module named 'psycopg_binary'; run `make setup`",
        ),
        (OSError("no space\nleft"), "OSError: no space; run `make setup`"),
        (LabError("the port is taken; choose another"), "the port is taken; choose another"),
    ],
)
def test_whatever_fails_is_one_line_with_a_next_step(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """A learner reads no traceback from the doctor, and the command fails."""

    def fail(say: object) -> float:
        raise error

    monkeypatch.setattr(doctor, "run_pipeline", fail)
    said: list[str] = []
    assert doctor.main(said.append) == 1
    assert "\n" not in said[-1]
    assert said[-1].startswith(f"The pipeline did not run: {words}")
