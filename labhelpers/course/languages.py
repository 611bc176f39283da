"""Handlers in every language for notebook 10: which ones this machine has, and a function from a source file of any.

Called by notebooks; calls compilers, and `deploy_function` with what they made.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from labhelpers.course.deploy import deploy_function
from labhelpers.errors import LabError
from labhelpers.functions import runtimes_java, runtimes_programs
from labhelpers.functions.runtimes_launch import CLIENTS
from labhelpers.functions.runtimes_table import CUSTOM, LANGUAGES, Language
from labhelpers.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

_COMPILE_S = 180.0
_CUSTOM_RUNTIME = "provided.al2023"


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a source becomes a function: `build(source, folder)` fills the package's folder and returns the handler."""

    name: str
    runtime: str
    build: Callable[[Path, Path], str]
    programs: tuple[str, ...] = ()


def _copied(source: Path, folder: Path) -> str:
    shutil.copy(source, folder)
    return f"{source.stem}.handler"


def _copy_bootstrap(language: str, folder: Path) -> None:
    """Put a runtime into the package, executable whatever became of its mode on its way to this machine."""
    shutil.copy(CLIENTS / language / "bootstrap", folder)
    (folder / "bootstrap").chmod(0o755)


def _with_bootstrap(language: str) -> Callable[[Path, Path], str]:
    def build(source: Path, folder: Path) -> str:
        _copy_bootstrap(language, folder)
        return _copied(source, folder)

    return build


def _java(source: Path, folder: Path) -> str:
    java = runtimes_programs.find_java(17)
    assert java is not None  # It has been looked for.
    jar = runtimes_java.make_client(java) / runtimes_java.JAR
    compiler = str(Path(java.path).with_name("javac"))
    _compile(source.parent, compiler, "-encoding", "UTF-8", "-cp", str(jar), "-d", str(folder), source.name)
    return f"{source.stem}::handle"


def _go(source: Path, folder: Path) -> str:
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(CLIENTS / "go" / "runtime.go", work)
        shutil.copy(source, Path(work, "handler.go"))
        _compile(Path(work), "go", "build", "-o", str(folder / "bootstrap"), "runtime.go", "handler.go")
    return "bootstrap"


def _csharp(source: Path, folder: Path) -> str:
    _copy_bootstrap("csharp", folder)
    runtime = str(CLIENTS / "csharp" / "Runtime.cs")
    _compile(source.parent, "mcs", f"-out:{folder / 'bootstrap.exe'}", runtime, source.name)
    return "Function.Handle"


def _cpp(source: Path, folder: Path) -> str:
    include = str(CLIENTS / "cpp")
    _compile(
        source.parent, "g++", "-std=c++17", "-O1", "-I", include, "-o", str(folder / "bootstrap"), source.name
    )
    return "bootstrap"


_KINDS = {
    ".py": _Kind("Python", "python3.13", _copied),
    ".js": _Kind("Node.js", "nodejs22.x", _copied, ("node",)),
    ".mjs": _Kind("Node.js", "nodejs22.x", _copied, ("node",)),
    ".rb": _Kind("Ruby", "ruby3.4", _copied, ("ruby",)),
    ".java": _Kind("Java", "java17", _java, ("javac",)),
    ".go": _Kind("Go", _CUSTOM_RUNTIME, _go, ("go",)),
    ".cs": _Kind("C# (Mono)", _CUSTOM_RUNTIME, _csharp, ("mcs", "mono")),
    ".cpp": _Kind("C++", _CUSTOM_RUNTIME, _cpp, ("g++",)),
    ".ps1": _Kind("PowerShell", _CUSTOM_RUNTIME, _with_bootstrap("powershell"), ("pwsh",)),
    ".sh": _Kind("Bash", _CUSTOM_RUNTIME, _with_bootstrap("bash"), ("bash", "curl")),
}


def languages_here() -> pd.DataFrame:
    """A table of the languages: which of them this machine has, in which version, and how the others are installed.

    Columns: language, runtime (that `deploy_source` takes), here (bool), "version, or how to get it".
    """
    import pandas as pd

    rows = []
    for kind in {kind.name: kind for kind in _KINDS.values()}.values():
        missing = _missing(kind)
        rows.append((kind.name, kind.runtime, not missing, _how_to_get(kind) if missing else _version(kind)))
    return pd.DataFrame(rows, columns=["language", "runtime", "here", "version, or how to get it"])


def _version(kind: _Kind) -> str:
    from labhelpers.functions.languages import runtime_version

    if kind.runtime != _CUSTOM_RUNTIME:
        return runtime_version(kind.runtime)[0]
    language = _language(kind)
    program = language.find() if language is not None else None
    return f"{kind.programs[0]} {program.version_text}" if program is not None else kind.programs[0]


def _how_to_get(kind: _Kind) -> str:
    language = _language(kind)
    return language.how_to_install if language is not None else f"install {' and '.join(kind.programs)}"


def _language(kind: _Kind) -> Language | None:
    return next((language for language in (*LANGUAGES, *CUSTOM) if language.name == kind.name), None)


def _missing(kind: _Kind) -> list[str]:
    if kind.name == "Java":
        return [] if runtimes_programs.find_java(17) is not None else ["javac"]
    return [program for program in kind.programs if shutil.which(program) is None]


def deploy_source(name: str, source: str | Path, role_arn: str, **settings: Any) -> str:
    """Create or update the function `name` from a source file in any language, by its suffix; returns its ARN.

    .py .js .mjs .rb .java .go .cs .cpp .ps1 .sh; what has to be compiled is compiled. `settings` as `deploy_function`
    takes them. LabError where a program is missing, with how it is installed, and in a compiler's words.
    """
    path = Path(source)
    kind = _KINDS.get(path.suffix)
    if kind is None:
        raise LabError(f"{path.name} ends in none of {' '.join(_KINDS)}: which language is it?")
    if not path.is_file():
        raise LabError(f"there is no file {path} (looked from {Path.cwd()}); check its name")
    if missing := _missing(kind):
        raise LabError(f"{path.name} needs {' and '.join(missing)}, not on this machine: {_how_to_get(kind)}")
    with tempfile.TemporaryDirectory(prefix="labhelpers-build-") as work:
        with Progress(f"building {path.name}"):
            handler = kind.build(path.resolve(), Path(work))
        known = {"Runtime": kind.runtime, "Handler": handler}
        return deploy_function(name, Path(work), role_arn, **known | settings)


def measure_function(name: str, event: Any, *, starts: int = 5, calls: int = 30) -> dict[str, float]:
    """What a function costs: medians of `starts` cold starts and `calls` warm calls, as its REPORT lines tell.

    Keys: "start (ms)", "first call (ms)", "warm call (ms)", "memory (MB)". Its variables are replaced, which makes
    Lambda start it anew. LabError if a call fails.
    """
    import boto3

    functions = boto3.client("lambda")
    cold, warm = [], []
    with Progress(f"measuring {name}", starts + calls) as progress:
        for number in range(starts):
            functions.update_function_configuration(
                FunctionName=name, Environment={"Variables": {"START": str(number)}}
            )
            functions.get_waiter("function_updated_v2").wait(FunctionName=name)
            cold.append(_report(functions, name, event))
            progress.step()
        for _ in range(calls):
            warm.append(_report(functions, name, event)["Duration"])
            progress.step()
    return {
        "start (ms)": median(report["Init Duration"] for report in cold),
        "first call (ms)": median(report["Duration"] for report in cold),
        "warm call (ms)": median(warm),
        "memory (MB)": max(report["Max Memory Used"] for report in cold),
    }


def _report(functions: Any, name: str, event: Any) -> dict[str, float]:
    """The figures of a call's REPORT line, by their names."""
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    if "FunctionError" in answer:
        raise LabError(f"the function {name!r} failed: {answer['Payload'].read().decode()}")
    line = base64.b64decode(answer["LogResult"]).decode(errors="replace").rpartition("REPORT ")[2]
    found = {what: float(value) for what, value in re.findall(r"([A-Z][\w ]+): ([\d.]+) (?:ms|MB)", line)}
    return {"Init Duration": 0.0, **found}


def _compile(folder: Path, *command: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMPILE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{os.path.basename(command[0])} did not work: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{os.path.basename(command[0])} did not compile {command[-1]}:\n{said}")
