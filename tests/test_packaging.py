"""What is declared, pinned and installed is one thing, and `make setup` names what is missing."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
ENVIRONMENT: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())


def lock_tool() -> ModuleType:
    """tools/lock.py, which writes the lock and environment.yml."""
    spec = importlib.util.spec_from_file_location("lock_tool", ROOT / "tools" / "lock.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PINS = [Requirement(pin) for pin in lock_tool().pins(LOCK)]


def declared() -> list[Requirement]:
    """Everything that pyproject.toml asks for: to run, and to test."""
    return [
        Requirement(r)
        for r in [*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"]]
    ]


def test_declared_is_pinned() -> None:
    """The lock holds each declared package, at versions that its declaration admits (`make lock` sees to it)."""
    pinned: dict[str, list[str]] = {}
    for pin in PINS:
        pinned.setdefault(pin.name, []).append(next(iter(pin.specifier)).version)
    for requirement in declared():
        versions = pinned.get(canonicalize_name(requirement.name), [])
        assert versions, f"requirements.lock has no {requirement.name}"
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_lock_pins_exactly_and_with_hashes() -> None:
    """Each package has one exact version and at least one hash, so that nothing else can be installed."""
    blocks = [
        block for block in re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE) if not block.startswith("#")
    ]
    assert len(blocks) == len(PINS)
    for block, pin in zip(blocks, PINS, strict=True):
        assert [clause.operator for clause in pin.specifier] == ["=="], block
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize("text", ["://", "--index", "--find-links", "file:", " @ "])
def test_lock_depends_on_no_machine(text: str) -> None:
    """No index, folder or address of one machine is in the lock."""
    assert text not in LOCK


def test_environment_is_made_from_the_lock() -> None:
    """conda and Binder get the same pins: environment.yml is what `make lock` writes."""
    assert (ROOT / "environment.yml").read_text() == lock_tool().environment(LOCK)


def test_environment_installs_the_package_itself() -> None:
    """After `conda env create` the notebooks can import labhelpers, from conda-forge's Python alone."""
    *conda, pip = ENVIRONMENT["dependencies"]
    assert pip["pip"][-1] == "-e ."
    python = next(line.removeprefix("python=") for line in conda if line.startswith("python="))
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(python)
    assert ENVIRONMENT["channels"] == ["conda-forge", "nodefaults"]


def test_installed_is_what_is_pinned() -> None:
    """The environment that runs this test has the pinned version of each package (`make setup` sees to it)."""
    here = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate()]
    assert not [str(pin) for pin in here if not pin.specifier.contains(importlib.metadata.version(pin.name))]


def test_package_has_types_and_a_command() -> None:
    """What is installed carries its types, and the `labhelpers` command."""
    assert (ROOT / "labhelpers" / "py.typed").exists()
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="labhelpers")
    assert command.value == "labhelpers.cloud.command_line:main"


def test_each_dependency_gives_its_reason() -> None:
    """A list of dependencies opens with a comment, and none stands without one above it."""
    text = (ROOT / "pyproject.toml").read_text()
    for name in ("dependencies", "dev"):
        (listed,) = re.findall(rf"^{name} = \[\n(.*?)^\]", text, flags=re.MULTILINE | re.DOTALL)
        assert listed.lstrip().startswith("#")


@pytest.mark.parametrize(
    "module", ["moto.dynamodb", "moto.events", "moto.apigateway", "moto.apigatewayv2", "moto.cognitoidp"]
)
def test_moto_has_what_its_services_need(module: str) -> None:
    """The extras that we leave out are not needed to load a service that we use."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import {module}.responses, {module}.models"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with what `make setup` reads, and a folder `bin` with only the tools that its script needs."""
    (tmp_path / "tools").mkdir()
    for name in ("tools/setup.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "awk", "dirname", "rm", "grep", "tail", "cp"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    return tmp_path


def setup(copy: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the copy's setup script with nothing but the copy's tools."""
    return subprocess.run(
        ["/bin/sh", "tools/setup.sh"],
        cwd=copy,
        env={"PATH": str(copy / "bin"), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def fake_python(copy: Path, script: str) -> None:
    """Put a `python3` on the copy's path that is this shell script."""
    path = copy / "bin" / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed set-up printed as an error."""
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    return line


def test_setup_names_a_missing_python(copy: Path) -> None:
    """Without any python3 the one line says so."""
    assert "Python 3.11 or later is needed" in only_line(setup(copy))
    assert "no python3 on the PATH" in only_line(setup(copy))


def test_setup_names_an_old_python(copy: Path) -> None:
    """A python3 that is too old is named with its version."""
    fake_python(copy, 'case "$2" in *platform*) echo 3.9.2;; *) exit 1;; esac')
    assert "python3 is 3.9.2" in only_line(setup(copy))


def test_setup_names_a_missing_venv(copy: Path) -> None:
    """Debian's python3 without python3-venv is told from a broken one, with its cure."""
    fake_python(copy, 'case "$2" in *ensurepip*) exit 1;; *platform*) echo 3.11.2;; esac')
    assert "python3-venv" in only_line(setup(copy))


def test_setup_names_a_missing_network(copy: Path) -> None:
    """When pip reaches no index, the one line says so and where the details are."""
    fake_python(copy, 'case "$2" in *platform*) echo 3.11.2;; esac')
    inside = copy / ".venv" / "bin"
    inside.mkdir(parents=True)
    (copy / ".venv" / "place").write_text(os.fspath(copy.resolve()) + "\n")
    (inside / "python").write_text(
        '#!/bin/sh\ncase "$*" in *install*) echo "Temporary failure in name resolution"; exit 1;;'
        " *importlib*) exit 1;; esac\n"
    )
    (inside / "python").chmod(0o755)
    line = only_line(setup(copy))
    assert "cannot be reached" in line
    assert ".venv/setup.log" in line


def test_setup_does_nothing_when_nothing_changed(copy: Path) -> None:
    """A second run starts no Python: it compares what it was made from, and that leaves out how code is checked."""
    inside = copy / ".venv" / "bin"
    inside.mkdir(parents=True)
    (inside / "python").write_text("#!/bin/sh\nexit 1\n")
    (inside / "python").chmod(0o755)
    script = (copy / "tools" / "setup.sh").read_text()
    made_from = script[script.index("package=") : script.index("if [ -x")] + 'printf "%s\\n" "$inputs"\n'
    done = subprocess.run(
        ["/bin/sh", "-c", made_from], cwd=copy, capture_output=True, text=True, timeout=60, check=True
    )
    (copy / ".venv" / "setup.stamp").write_text(done.stdout)
    assert setup(copy).returncode == 0
    pyproject = copy / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("line-length = 110", "line-length = 100"))
    assert setup(copy).returncode == 0
    pyproject.write_text(pyproject.read_text().replace('version = "', 'version = "9'))
    assert "is needed" in only_line(setup(copy))
