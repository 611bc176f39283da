"""What a deployment needs besides boto3: code as a zip archive, a function from it, and a layer from `pip install`.

Called by notebooks and the doctor; calls pip and, for layers, plain boto3.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import platformdirs

from labhelpers.errors import LabError
from labhelpers.lab import running_lab
from labhelpers.progress import Progress

_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIP_TIMEOUT_S = 300
_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".git", ".DS_Store"}


def zip_code(source: str | Path, *more: str | Path) -> bytes:
    """A deployment package: the zip archive of a file, or of all that a folder holds, and of `more` of them.

    A file lies at the top of the archive under its own name. The same files give the same bytes. LabError if there is
    no such file. https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (source, *more):
            for file, name in _files(Path(path)):
                info = zipfile.ZipInfo(name, _EPOCH)
                executable = file.stat().st_mode & stat.S_IXUSR
                info.external_attr = (stat.S_IFREG | (0o755 if executable else 0o644)) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, file.read_bytes())
    return buffer.getvalue()


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    if path.is_file():
        yield path, path.name
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not _LEFT_OUT.intersection(file.relative_to(path).parts):
                yield file, file.relative_to(path).as_posix()
    else:
        raise LabError(f"there is no file or folder {path} (looked from {Path.cwd()}); check its name")


def deploy_function(name: str, source: str | Path, role_arn: str, **settings: Any) -> str:
    """Create the function `name` from a file or folder, or update it if there is one; returns its ARN once it is ready.

    The handler is `handler` in the file's module, the runtime Python, unless `settings` say otherwise: they are those
    of update_function_configuration, such as Timeout=10. LabError if there is no such file, and for what AWS refuses.
    https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html
    """
    from botocore.exceptions import BotoCoreError, ClientError

    running_lab()
    package = zip_code(source)
    settings = {
        "Runtime": "python3.13",
        "Handler": f"{Path(source).stem}.handler",
        "Role": role_arn,
    } | settings
    try:
        with Progress(f"deploying {name}"):
            return _create_or_update(name, package, settings)
    except (BotoCoreError, ClientError) as error:
        about_role = any(words in str(error) for words in ("The role ", "at 'role'"))
        step = "give it `lab.role_arn`" if about_role else "correct what it names and run this again"
        raise LabError(f"the function {name!r} was not deployed: {error}; {step}") from error


def _create_or_update(name: str, package: bytes, settings: dict[str, Any]) -> str:
    import boto3

    functions = boto3.client("lambda")
    try:
        functions.create_function(FunctionName=name, Code={"ZipFile": package}, **settings)
    except functions.exceptions.ResourceConflictException:  # It is there already.
        functions.update_function_code(FunctionName=name, ZipFile=package)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        functions.update_function_configuration(FunctionName=name, **settings)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    return str(functions.get_function_configuration(FunctionName=name)["FunctionArn"])


def pip_layer(name: str, *requirements: str) -> str:
    """Publish a layer with the libraries that `pip install` takes for `requirements`; returns its version's ARN.

    Libraries that this Python has too are taken in the same version. What pip made is kept in the user's cache, so a
    second call is quick. LabError with pip's own words if it fails.
    https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html
    """
    import boto3

    if not requirements:
        raise LabError(
            f'the layer {name!r} has no requirements; give at least one, such as "psycopg[binary]"'
        )
    running_lab()
    with Progress(f"installing {', '.join(requirements)} for the layer {name}"):
        archive = _layer_archive(requirements)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    answer = boto3.client("lambda").publish_layer_version(
        LayerName=name,
        Description=", ".join(requirements)[:256],
        Content={"ZipFile": archive.read_bytes()},
        CompatibleRuntimes=[version],
    )
    return str(answer["LayerVersionArn"])


def _layer_archive(requirements: tuple[str, ...]) -> Path:
    constraints = sorted(f"{found.name}=={found.version}" for found in distributions() if found.name)
    recipe = "\n".join([*requirements, sys.version, *constraints])
    cache = platformdirs.user_cache_path("labhelpers") / "layers"
    target = cache / f"{hashlib.sha256(recipe.encode()).hexdigest()[:24]}.zip"
    if target.exists():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="labhelpers-layer-") as work:
        pinned = Path(work, "constraints.txt")
        pinned.write_text("\n".join(constraints) + "\n", encoding="utf-8")
        _pip_install(requirements, Path(work, "layer", "python"), pinned)
        building = Path(work, "layer.zip")
        building.write_bytes(zip_code(Path(work, "layer")))
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(building.read_bytes())
        part.replace(target)
    return target


def _pip_install(requirements: tuple[str, ...], folder: Path, constraints: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
    ]
    command += ["--target", str(folder), "--constraint", str(constraints), *requirements]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"pip took over {_PIP_TIMEOUT_S} s to install {', '.join(requirements)}; is there a network?"
        ) from error
    if done.returncode:
        said = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise LabError(f"pip could not install {', '.join(requirements)}:\n{said}")
