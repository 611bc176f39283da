"""Which program runs which runtime: found, missing, too old, in several versions; and what is said then."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from labhelpers import Lab
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.functions import languages, runtimes_launch, runtimes_programs, runtimes_python
from labhelpers.functions.runtime_ids import ACCEPTED
from labhelpers.functions.runtimes_table import CUSTOM, LANGUAGES, asked_major, language_of, program_for
from labhelpers.model import FunctionVersion
from tests.deployment_packages import make_zip

Put = Callable[[str, str], Path]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Put]:
    """Puts a program that says `text` into the only folder on the PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(runtimes_programs, "_JDK_FOLDERS", (str(tmp_path / "jvm" / "*"),))
    runtimes_python.other_python.cache_clear()

    def put_program(name: str, text: str) -> Path:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    yield put_program
    runtimes_python.other_python.cache_clear()


def test_each_accepted_runtime_has_its_program() -> None:
    """Python and custom runtimes need none; every other one that AWS takes has one language of the table."""
    without = {runtime for runtime in ACCEPTED if language_of(runtime) is None}
    assert without == {runtime for runtime in ACCEPTED if runtime.startswith(("python", "provided"))}
    assert [asked_major(runtime) for runtime in ("nodejs22.x", "java8.al2", "dotnet10", "ruby3.4")] == [
        22,
        8,
        10,
        3,
    ]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_missing_program_is_named_with_ways_to_install_it(put: Put, language: object) -> None:
    """InvalidParameterValueException: the runtime, the program, conda-forge, Debian where it has it, Homebrew."""
    runtime = next(name for name in ACCEPTED if language_of(name) == language)
    with pytest.raises(AwsError) as refused:
        languages.check_runnable(runtime)
    assert (refused.value.code, refused.value.status) == ("InvalidParameterValueException", 400)
    assert f"functions with the runtime {runtime} need the program" in refused.value.message
    for way in ("conda install -c conda-forge", "brew install"):
        assert way in refused.value.message
    assert "`. " not in refused.value.message and refused.value.message.endswith(", then try again.")


def test_program_that_comes_later_is_found(put: Put) -> None:
    """After it has been installed the function can be made, without a new lab."""
    with pytest.raises(AwsError):
        program_for("nodejs22.x")
    put("node", "echo v22.1.0")
    program = program_for("nodejs22.x")
    assert program is not None and program.version == (22, 1, 0)
    assert languages.runtime_version("nodejs20.x")[0] == "nodejs:22.v1.0"


def test_old_program_is_refused_with_both_versions(put: Put) -> None:
    """What is there and what is needed."""
    put("ruby", "echo ruby 2.5.1p57")
    with pytest.raises(AwsError, match=r"need ruby 2\.7 or newer; this machine has 2\.5\.1: install it with"):
        program_for("ruby3.3")


@pytest.mark.parametrize("text", ["exit 1", "echo no number", "echo 20.1.1; exit 3"])
def test_program_that_does_not_work_is_missing(put: Put, text: str) -> None:
    """As a shim is whose target is gone."""
    put("node", text)
    with pytest.raises(AwsError, match="the program node, which is not on this machine"):
        program_for("nodejs22.x")


def test_jdk_of_the_version_that_was_asked_for(put: Put, tmp_path: Path) -> None:
    """That version; else the oldest newer one; else the newest. A folder without a compiler is none."""
    for major in (11, 17, 25, 30):
        home = tmp_path / "jvm" / f"jdk-{major}"
        (home / "bin").mkdir(parents=True)
        (home / "release").write_text(f'X="1"\nJAVA_VERSION="{major}.0.2"\n')
        for name in ("java", "javac") if major != 30 else ("java",):
            (home / "bin" / name).write_text("")
            (home / "bin" / name).chmod(0o755)
    found = [runtimes_programs.find_java(major) for major in (8, 17, 21, 27)]
    assert [program.version[0] for program in found if program is not None] == [11, 17, 25, 25]


def test_python_that_was_asked_for(put: Put) -> None:
    """The one of that name if it says so itself; the lab's own version is the lab's own interpreter."""
    put("python3.14", "echo Python 3.14.2")
    put("python3.13", "echo Python 3.12.9")
    found = runtimes_python.other_python("python3.14")
    assert found is not None and found.version == (3, 14, 2)
    assert languages.runtime_version("python3.14")[0] == "python:3.14.v2"
    assert runtimes_python.other_python("python3.13") is None
    assert runtimes_python.other_python(runtimes_python.OWN) is None
    own = f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"
    assert (
        languages.runtime_version("python3.13")[0] == languages.runtime_version(runtimes_python.OWN)[0] == own
    )


def test_code_compiled_for_the_labs_python_runs_on_that(put: Put, tmp_path: Path) -> None:
    """A layer that pip has made here has modules for this Python; the other could not load them."""
    put("python3.14", "echo Python 3.14.2")
    plain, compiled = tmp_path / "plain", tmp_path / "compiled" / "python"
    plain.mkdir()
    compiled.mkdir(parents=True)
    name = f"_x.cpython-{sys.version_info.major}{sys.version_info.minor}-x86_64-linux-gnu.so"
    (compiled / name).write_text("")
    assert runtimes_python.python_for("python3.14", (plain,)) is not None
    assert runtimes_python.python_for("python3.14", (plain, compiled.parent)) is None


def test_program_outside_the_system_is_shown_with_its_libraries(put: Put, tmp_path: Path) -> None:
    """Conda's and Homebrew's programs: their folder is seen, their `bin` and `lib` come first."""
    put("node", "echo v22.1.0")
    (tmp_path / "lib").mkdir()
    program = program_for("nodejs22.x")
    assert program is not None and program.home == str(tmp_path)
    env = {"PATH": "/bin", "LD_LIBRARY_PATH": "/lib64"}
    assert runtimes_launch.program_variables(program, env) == {
        "PATH": f"{tmp_path}/bin:/bin",
        "LD_LIBRARY_PATH": f"{tmp_path}/lib:/lib64",
    }
    assert runtimes_launch.program_variables(runtimes_programs.Program("/usr/bin/x", (1,)), env) == {}


def test_dotnet_runs_an_executable_assembly(put: Put, tmp_path: Path) -> None:
    """The handler names it; DOTNET_ROOT is where the program is. (No .NET has run this here.)"""
    put("dotnet", "echo 8.0.100")
    version = FunctionVersion(
        "arn", "f", "1", "1", "dotnet8", "Orders", "role", tmp_path, 0, timeout_s=3, memory_mb=256
    )
    program = runtimes_launch.program_of(version)
    at = runtimes_launch.Places("/var/task", "/var/runtime", "/opt")
    assert runtimes_launch.command(version, program, at) == (
        str(tmp_path / "bin/dotnet"),
        "/var/task/Orders.dll",
    )
    assert runtimes_launch.variables(version, at)["LAMBDA_RUNTIME_NAME"] == "dotnet8"
    assert runtimes_launch.program_variables(program, {"PATH": "", "LD_LIBRARY_PATH": ""})[
        "DOTNET_ROOT"
    ] == str(tmp_path / "bin")


def test_class_library_of_dotnet_is_refused_by_name(put: Put) -> None:
    """Whether .NET is there or not; what works instead is said."""
    with pytest.raises(
        NotEmulated, match=r"handlers of C# class libraries \(A::B\.C::D\); an executable assembly"
    ):
        languages.check_runnable("dotnet8", "A::B.C::D")


def test_each_runtime_client_is_told_of() -> None:
    """The list beside the clients names each folder, and no other."""
    listed = set(re.findall(r"`(\w+)/`", (runtimes_launch.CLIENTS / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in runtimes_launch.CLIENTS.iterdir() if path.is_dir()}


def test_every_language_says_how_it_is_installed() -> None:
    """In one sentence."""
    for language in (*LANGUAGES, *CUSTOM):
        assert language.how_to_install.startswith("install it with `conda install -c conda-forge ")
        assert language.used_for


def test_missing_language_is_refused_when_the_function_is_made(put: Put) -> None:
    """Through boto3: create_function and update_function_configuration say it; Python goes on working."""
    with Lab() as lab:
        functions = boto3.client("lambda")
        code = {"ZipFile": make_zip({"index.py": "def handler(event, context):\n    return event\n"})}
        settings = {"Role": lab.role_arn, "Handler": "index.handler", "Code": code}
        with pytest.raises(ClientError, match=r"InvalidParameterValueException.*need the program node"):
            functions.create_function(FunctionName="f", Runtime="nodejs22.x", **settings)
        answer = functions.create_function(FunctionName="f", Runtime="python3.13", **settings)
        functions.get_waiter("function_active_v2").wait(FunctionName="f")
        with pytest.raises(ClientError, match=r"InvalidParameterValueException.*need the program ruby"):
            functions.update_function_configuration(FunctionName="f", Runtime="ruby3.4")
        assert functions.invoke(FunctionName="f", Payload=b"1")["Payload"].read() == b"1"
        assert len(answer["RuntimeVersionConfig"]["RuntimeVersionArn"].rpartition(":")[2]) == 64
