"""Write requirements.lock and environment.yml from pyproject.toml; called by `make lock`.

The lock pins every package for every platform, with hashes. conda's pip section gets the same pins without hashes,
since pip refuses hashes beside the editable install of this package.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / "environment.yml"

# How the header names its maker; uv's own header would name the options of one machine.
COMMAND = "make lock"
CONDA_PYTHON = "3.12"


def compile_lock(upgrade: bool) -> None:
    """Resolve pyproject.toml and its dev group into requirements.lock, from the package index alone."""
    # A local folder of wheels or a private index of one machine must not leak into everybody's lock.
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))}
    environ["UV_CUSTOM_COMPILE_COMMAND"] = COMMAND
    command = ["uv", "pip", "compile", "pyproject.toml", "--group", "dev", "--universal", "--generate-hashes"]
    command += ["--no-config", "--quiet", "--output-file", LOCK.name]
    command += ["--upgrade"] if upgrade else []
    command[0] = str(Path(sys.executable).with_name("uv"))
    subprocess.run(command, cwd=ROOT, env=environ, check=True)


def pins(lock: str) -> list[str]:
    """The lock's requirements, `name==version ; marker`, without hashes and comments."""
    lines = (line.removesuffix("\\").strip() for line in lock.splitlines())
    return [line for line in lines if re.match(r"[a-z0-9]", line)]


def environment(lock: str) -> str:
    """environment.yml as text: conda's Python, then the lock's pins by pip, then this package in place."""
    head = f"""\
# Written by `{COMMAND}` from requirements.lock: `conda env create -f environment.yml`, and what Binder reads.
name: labhelpers
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={CONDA_PYTHON}
  - pip
  - pip:
"""
    return head + "".join(f"      - {_quoted(pin)}\n" for pin in [*pins(lock), "-e ."])


def _quoted(requirement: str) -> str:
    return f'"{requirement}"' if " ; " in requirement else requirement


if __name__ == "__main__":
    compile_lock(upgrade="--upgrade" in sys.argv[1:])
    ENVIRONMENT.write_text(environment(LOCK.read_text()))
