"""How the runtime of each language is started: its variables, its folders, its process; one that can't is refused."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labhelpers import limits
from labhelpers.errors import AwsError, NotEmulated
from labhelpers.functions import runtimes_java, runtimes_launch, runtimes_table
from labhelpers.functions.runtimes_launch import Places
from labhelpers.functions.runtimes_programs import Program
from labhelpers.functions.runtimes_python import other_python, python_for
from labhelpers.model import FunctionVersion
from labhelpers.processes.isolation import OPT, RUNTIME, TASK
from labhelpers.processes.python_runtime import must_be_executed
from labhelpers.processes.spawner import interpreter
from labhelpers.processes.spec import ProcessSpec, Sandbox

# The certificates that a function trusts, in the folder of its runtime; AWS has a file of that name there too.
CA_BUNDLE = "ca-cert.pem"
AUTHORITY = "lab-ca-cert.pem"  # The lab's own authority alone.


@dataclass(frozen=True, slots=True)
class RuntimeFolders:
    """Where the runtime lives: `packages` becomes /var/runtime; the links in it lead into `sources`."""

    packages: Path
    sources: tuple[Path, ...] = ()

    def of(self, runtime: str) -> Path:
        """What becomes /var/runtime for functions of `runtime`: a folder beside `packages` for languages but Python."""
        if runtime.startswith("python"):
            return self.packages
        client = runtimes_launch.client_folder(runtime)
        folder = self.packages.with_name(f"{self.packages.name}-{client.name if client else 'none'}")
        if not folder.exists():
            folder.mkdir(parents=True)
            for file in sorted(client.iterdir()) if client else ():
                (folder / file.name).write_bytes(file.read_bytes())
        for name in (CA_BUNDLE, AUTHORITY):
            _share(self.packages / name, folder / name)
        return folder


def _share(file: Path, name: Path) -> None:
    """One file under two names, if it is there; it is replaced when the lab gets its authority."""
    if file.exists() and not (name.exists() and name.samefile(file)):
        name.unlink(missing_ok=True)
        os.link(file, name)


def check_runnable(runtime: str, handler: str = "") -> None:
    """AwsError InvalidParameterValueException if this machine lacks the program that functions of `runtime` need.

    NotEmulated for a handler that its runtime client could not call.
    """
    if runtime.startswith("dotnet") and "::" in handler:
        raise NotEmulated(
            f"handlers of C# class libraries ({handler}); an executable assembly works, which brings "
            "Amazon.Lambda.RuntimeSupport itself and is named alone as the handler"
        )
    program = runtimes_table.program_for(runtime)
    if runtime.startswith("java") and program is not None:
        runtimes_java.prepare_soon(program)


async def prepare(version: FunctionVersion) -> None:
    """Make ready what the runtime's first start on this machine needs. LabError if that fails."""
    if version.runtime.startswith("java"):
        await runtimes_java.prepare(runtimes_launch.program_of(version))


def runtime_version(runtime: str) -> tuple[str, str]:
    """The runtime that really runs: its version as INIT_START names it, and an ARN made from it."""
    name = next(
        (name for name in ("nodejs", "ruby", "java", "dotnet", "provided") if runtime.startswith(name)),
        "python",
    )
    if name == "provided":
        version = f"provided:{runtime.partition('.')[2] or 'al1'}.v1"
        exact = platform.platform()
    elif name == "python" and (other := other_python(runtime)) is None:
        version = f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"
        exact = sys.version
    else:
        try:
            program = other if name == "python" else runtimes_table.program_for(runtime)
        except AwsError:  # It was there when the function was made.
            program = None
        numbers = program.version if program is not None else (runtimes_table.asked_major(runtime), 0, 0)
        leading = 1 if name in ("nodejs", "java", "dotnet") else 2
        version = f"{name}:{_dotted(numbers[:leading])}.v{_dotted(numbers[leading:]) or '0'}"
        exact = str(program)
    digest = hashlib.sha256(f"{version} {exact} {platform.machine()}".encode()).hexdigest()
    return version, f"arn:aws:lambda:us-east-1::runtime:{digest}"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)


def places(version: FunctionVersion, *, isolated: bool, folders: RuntimeFolders, opt: Path) -> Places:
    """Where this version sees its folders."""
    if isolated:
        return Places(TASK, RUNTIME, OPT)
    return Places(str(version.code_root), str(folders.of(version.runtime)), str(opt))


def environment_variables(
    version: FunctionVersion, *, isolated: bool, folders: RuntimeFolders, opt: Path
) -> dict[str, str]:
    """The documented variables that do not depend on the environment's own name and keys.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    at = places(version, isolated=isolated, folders=folders, opt=opt)
    found = {
        "_HANDLER": version.handler,
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": at.task,
        "LAMBDA_RUNTIME_DIR": at.runtime,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
    }
    found |= runtimes_launch.variables(version, at)
    if version.runtime.startswith("python"):
        found["PYTHONPATH"] = at.runtime
    if version.log_format == "JSON":
        found["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if version.application_log_level:
        found["AWS_LAMBDA_LOG_LEVEL"] = version.application_log_level
    if not isolated:
        found["LAB_OPT"] = str(opt)
    return found


def process_spec(
    version: FunctionVersion,
    env: Mapping[str, str],
    *,
    isolated: bool,
    folders: RuntimeFolders,
    opt: Path,
    tmp: Path,
) -> ProcessSpec:
    """The process of one execution environment with the complete variables `env`.

    LabError if its program is missing; InvalidEntrypoint if a custom runtime brings none.
    """
    at = places(version, isolated=isolated, folders=folders, opt=opt)
    sandbox = None
    if isolated:
        task, runtime = str(version.code_root), str(folders.of(version.runtime))
        packages = tuple(str(folder) for folder in folders.sources)
        sandbox = Sandbox(task, runtime, str(opt), str(tmp), version.ephemeral_storage_mb, packages)
    spec = ProcessSpec(
        env=env,
        cwd=at.task,
        sandbox=sandbox,
        supervised=True,
        title=version.name,
        files_max=limits.FILE_DESCRIPTORS_MAX,
        in_batches=True,  # The cloud first: who serves many functions at once must not wait for one of them.
        # Without a namespace of its own the user's other processes would count too.
        processes_max=limits.PROCESSES_MAX if isolated else 0,
    )
    if version.runtime.startswith("python"):
        return _python_spec(spec, version, at, opt)
    if runtimes_launch.is_custom(version.runtime):
        return _custom_spec(spec, runtimes_launch.find_bootstrap(version, opt, at))
    program = runtimes_launch.program_of(version)
    spec = _with_program(spec, program, runtimes_launch.shown_folders(version, program))
    return _wrapped(replace(spec, argv=runtimes_launch.command(version, program, at)))


def _custom_spec(spec: ProcessSpec, bootstrap: str) -> ProcessSpec:
    spec = replace(spec, argv=(bootstrap,), is_entrypoint=True)
    programs = runtimes_launch.custom_programs()
    if not programs:
        return spec
    path = ":".join([spec.env["PATH"], *(os.path.dirname(program.path) for program in programs)])
    sandbox = spec.sandbox
    if sandbox is not None:
        sandbox = replace(sandbox, shown=tuple(program.home for program in programs))
    return replace(spec, env={**spec.env, "PATH": path}, sandbox=sandbox)


def _python_spec(spec: ProcessSpec, version: FunctionVersion, at: Places, opt: Path) -> ProcessSpec:
    other = python_for(version.runtime, (version.code_root, opt))
    if other is None and not must_be_executed(version.variables, str(opt)):
        return replace(spec, python_handler=version.handler)
    program = other.path if other is not None else os.path.realpath(interpreter())
    if other is not None:
        spec = _with_program(spec, other, (other.home,))
    return _wrapped(replace(spec, argv=(program, "-S", "-s", os.path.join(at.runtime, "bootstrap.py"))))


def _with_program(spec: ProcessSpec, program: Program, folders: tuple[str, ...]) -> ProcessSpec:
    env = {**spec.env, **runtimes_launch.program_variables(program, spec.env)}
    if spec.sandbox is None:
        return replace(spec, env=env)
    return replace(spec, env=env, sandbox=replace(spec.sandbox, shown=folders))


def _wrapped(spec: ProcessSpec) -> ProcessSpec:
    """With the function's own wrapper script before it, if it names one.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-modify.html
    """
    wrapper = spec.env.get("AWS_LAMBDA_EXEC_WRAPPER")
    return replace(spec, argv=(wrapper, *spec.argv)) if wrapper else spec
