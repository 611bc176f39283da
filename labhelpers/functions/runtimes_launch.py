"""What each language's runtime is started with: its command and its variables, as AWS has them.

The variables are those that were recorded on AWS; https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labhelpers.errors import AwsError, LabError
from labhelpers.functions import runtimes_java, runtimes_table
from labhelpers.functions.outcomes import InvalidEntrypoint
from labhelpers.functions.runtimes_programs import Program
from labhelpers.model import FunctionVersion

CLIENTS = Path(__file__).parents[1] / "runtimes"
# The file of our client that the program runs, in the folder of the same language.
_MAIN = {"nodejs": "index.mjs", "ruby": "bootstrap.rb"}
_FOLDER = {"nodejs": "node", "ruby": "ruby"}
_STARTED_BY_SCRIPTS = ("mono", "pwsh", "curl", "bash")
_SYSTEM_FOLDERS = ("/usr/bin", "/bin", "/usr/local/bin")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a function sees its code, its runtime and its layers."""

    task: str
    runtime: str
    opt: str


def is_custom(runtime: str) -> bool:
    """Whether functions of `runtime` bring their own program, `bootstrap`."""
    return runtime.startswith("provided")


def program_of(version: FunctionVersion) -> Program:
    """The program that runs this version; LabError if it has gone since the function was made."""
    try:
        program = runtimes_table.program_for(version.runtime)
    except AwsError as error:
        raise LabError(error.message) from error
    if program is None:
        raise LabError(f"no program runs functions of the runtime {version.runtime}")
    return program


def client_folder(runtime: str) -> Path | None:
    """The folder with our client for `runtime`, which becomes /var/runtime; None if it lives elsewhere."""
    language = runtimes_table.language_of(runtime)
    name = _FOLDER.get(language.runtimes) if language is not None else None
    return CLIENTS / name if name else None


def variables(version: FunctionVersion, at: Places) -> dict[str, str]:
    """What a runtime of this language has in its environment beside what all have."""
    runtime = version.runtime
    libraries = f"/lib64:/usr/lib64:{at.runtime}:{at.runtime}/lib:{at.task}:{at.task}/lib:{at.opt}/lib"
    path = f"/usr/local/bin:/usr/bin/:/bin:{at.opt}/bin"
    if is_custom(runtime):
        return {"LD_LIBRARY_PATH": libraries, "PATH": path}
    found = {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "LD_LIBRARY_PATH": f"/var/lang/lib:{libraries}",
        "PATH": f"/var/lang/bin:{path}",
        "PWD": at.task,
        "SHLVL": "0",
    }
    major = runtimes_table.asked_major(runtime)
    if runtime.startswith("nodejs"):
        modules = (f"{at.opt}/nodejs/node{major}/node_modules", f"{at.opt}/nodejs/node_modules")
        found["NODE_PATH"] = ":".join((*modules, f"{at.runtime}/node_modules", at.runtime, at.task))
    elif runtime.startswith("ruby"):
        abi = f"{runtime.removeprefix('ruby')}.0"
        gems = (f"{at.task}/vendor/bundle/ruby/{abi}", f"{at.opt}/ruby/gems/{abi}")
        found["GEM_HOME"] = at.runtime
        found["GEM_PATH"] = ":".join((*gems, at.runtime, f"{at.runtime}/ruby/{abi}"))
        found["RUBYLIB"] = f"{at.task}:{at.runtime}/lib:{at.opt}/ruby/lib"
    elif runtime.startswith("dotnet"):
        found["LAMBDA_RUNTIME_NAME"] = runtime
    return found


def program_variables(program: Program, env: Mapping[str, str]) -> dict[str, str]:
    """What a program outside the system's folders needs to be found and to find its own libraries.

    AWS: runtimes are in /var/lang. Here: they are where this machine has them.
    """
    folder = os.path.dirname(program.path)
    if folder in _SYSTEM_FOLDERS:
        return {}
    found = {"PATH": f"{folder}:{env['PATH']}"}
    if os.path.isdir(f"{program.home}/lib"):
        found["LD_LIBRARY_PATH"] = f"{program.home}/lib:{env['LD_LIBRARY_PATH']}"
    if os.path.basename(program.path) == "dotnet":
        found["DOTNET_ROOT"] = folder
    return found


def custom_programs() -> tuple[Program, ...]:
    """Programs that custom runtimes of the course start and that are not in the system's folders: conda's, Homebrew's.

    AWS: a package brings along what its runtime starts. Here: it finds what this machine has.
    """
    paths = [os.path.realpath(path) for name in _STARTED_BY_SCRIPTS if (path := shutil.which(name))]
    return tuple(Program(path, ()) for path in paths if os.path.dirname(path) not in _SYSTEM_FOLDERS)


def command(version: FunctionVersion, program: Program, at: Places) -> tuple[str, ...]:
    """The command that starts the runtime of a language other than Python."""
    runtime = version.runtime
    if runtime.startswith("java"):
        return (*runtimes_java.command(program, version.memory_mb), version.handler)
    if runtime.startswith("dotnet"):
        return (program.path, f"{at.task}/{version.handler}.dll")
    language = runtimes_table.language_of(runtime)
    assert language is not None
    return (program.path, os.path.join(at.runtime, _MAIN[language.runtimes]))


def shown_folders(version: FunctionVersion, program: Program) -> tuple[str, ...]:
    """The folders of this machine that the runtime needs to see, wherever they are."""
    if version.runtime.startswith("java"):
        return (program.home, str(runtimes_java.client_folder(program)))
    return (program.home,)


def find_bootstrap(version: FunctionVersion, opt: Path, at: Places) -> str:
    """The `bootstrap` of a custom runtime: of the package, else of a layer. InvalidEntrypoint if there is none.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html
    """
    for folder, shown in ((version.code_root, at.task), (opt, at.opt)):
        if (folder / "bootstrap").is_file():
            return f"{shown}/bootstrap"
    raise InvalidEntrypoint("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")
