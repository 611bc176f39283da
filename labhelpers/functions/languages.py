"""How the runtime of each language is started. Python for now; a runtime that can't run is refused by name."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labhelpers import limits
from labhelpers.errors import NotEmulated
from labhelpers.model import FunctionVersion
from labhelpers.processes.isolation import RUNTIME, TASK
from labhelpers.processes.python_runtime import must_be_executed
from labhelpers.processes.spawner import interpreter
from labhelpers.processes.spec import ProcessSpec, Sandbox


@dataclass(frozen=True, slots=True)
class RuntimeFolders:
    """Where the runtime lives: `packages` becomes /var/runtime; the links in it lead into `sources`."""

    packages: Path
    sources: tuple[Path, ...] = ()


def check_runnable(runtime: str) -> None:
    """NotEmulated if functions of `runtime` (AWS's identifier) cannot run in this lab."""
    if not runtime.startswith("python3."):
        raise NotEmulated(f"the runtime {runtime}")


def runtime_version() -> tuple[str, str]:
    """The runtime that really runs: its version as INIT_START names it, and an ARN made from it."""
    version = f"python:{sys.version_info.major}.{sys.version_info.minor}.v{sys.version_info.micro}"
    digest = hashlib.sha256(f"{version} {sys.version} {platform.machine()}".encode()).hexdigest()
    return version, f"arn:aws:lambda:us-east-1::runtime:{digest}"


def environment_variables(
    version: FunctionVersion, *, isolated: bool, folders: RuntimeFolders, opt: Path
) -> dict[str, str]:
    """The documented variables that do not depend on the environment's own name and keys.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
    """
    task = TASK if isolated else str(version.code_root)
    runtime = RUNTIME if isolated else str(folders.packages)
    variables = {
        "_HANDLER": version.handler,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{version.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "LAMBDA_TASK_ROOT": task,
        "LAMBDA_RUNTIME_DIR": runtime,
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": f"/var/lang/lib:/lib64:/usr/lib64:{runtime}:{runtime}/lib:{task}:{task}/lib:/opt/lib",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "PWD": task,
        "PYTHONPATH": runtime,
        "SHLVL": "0",
        "TZ": ":UTC",
    }
    if version.log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if version.application_log_level:
        variables["AWS_LAMBDA_LOG_LEVEL"] = version.application_log_level
    if not isolated:
        variables["LAB_OPT"] = str(opt)
    return variables


def process_spec(
    version: FunctionVersion,
    env: Mapping[str, str],
    *,
    isolated: bool,
    folders: RuntimeFolders,
    opt: Path,
    tmp: Path,
) -> ProcessSpec:
    """The process of one execution environment with the complete variables `env`."""
    task, runtime = str(version.code_root), str(folders.packages)
    sandbox = None
    if isolated:
        packages = tuple(str(folder) for folder in folders.sources)
        sandbox = Sandbox(task, runtime, str(opt), str(tmp), version.ephemeral_storage_mb, packages)
        task, runtime = TASK, RUNTIME
    spec = ProcessSpec(
        env=env,
        cwd=task,
        sandbox=sandbox,
        supervised=True,
        title=version.name,
        files_max=limits.FILE_DESCRIPTORS_MAX,
        # Without a namespace of its own the user's other processes would count too.
        processes_max=limits.PROCESSES_MAX if isolated else 0,
    )
    if not must_be_executed(version.variables, str(opt)):
        return replace(spec, python_handler=version.handler)
    argv = (os.path.realpath(interpreter()), "-S", "-s", os.path.join(runtime, "bootstrap.py"))
    wrapper = env.get("AWS_LAMBDA_EXEC_WRAPPER")
    return replace(spec, argv=(wrapper, *argv) if wrapper else argv)
