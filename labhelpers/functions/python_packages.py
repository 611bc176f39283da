"""The folder that a Python function sees as /var/runtime: boto3, AWS's runtime client, and what they need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

PACKAGES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
)
_NATIVE_CLIENT = "runtime_client"
_OUR_CLIENT = Path(__file__).with_name("runtime_client.py")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


def make_runtime_folder(folder: Path, *, native_client: bool = False) -> tuple[Path, ...]:
    """Fill `folder` with links to the packages; returns the folders that the links lead into.

    Our module stands in for the compiled part of AWS's client, unless `native_client` asks for that where there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources: set[Path] = set()
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        _link(folder, [source, *source.parent.glob(f"{_distribution(name)}-*.dist-info")])
        sources.add(source.parent)
    native = importlib.util.find_spec(_NATIVE_CLIENT) if native_client else None
    if native is not None and native.origin is not None:
        _link(folder, [Path(native.origin)])
        sources.add(Path(native.origin).parent)
    else:
        (folder / "runtime_client.py").write_bytes(_OUR_CLIENT.read_bytes())
    (folder / "bootstrap.py").write_bytes(_BOOTSTRAP.read_bytes())
    return tuple(sorted(sources))


def _link(folder: Path, sources: Iterable[Path]) -> None:
    for source in sources:
        target = folder / source.name
        if not target.is_symlink():
            target.symlink_to(source)


def _distribution(name: str) -> str:
    return {"dateutil": "python_dateutil"}.get(name, name)
