"""Hands nbval what the notebooks' cells show: a pytest plugin, loaded by every run.

The notebooks themselves hold no outputs, which would answer before the question. `tools/notebooks.py run` keeps them in
tests/outputs/; here each cell gets its own back before nbval runs it and compares.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "notebooks.py"


@cache
def load_tool() -> ModuleType:
    """tools/notebooks.py, which writes what is read here."""
    spec = importlib.util.spec_from_file_location("notebooks_tool", TOOL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pytest_configure(config: pytest.Config) -> None:
    """Have nbval replace what differs from run to run, unless it was told otherwise."""
    if config.getoption("nbval", default=False) and config.getoption("nbval_sanitize_with") is None:
        config.option.nbval_sanitize_with = str(load_tool().SANITIZE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each cell of a notebook the outputs that were kept of it; one of which none were kept must show nothing."""
    if not config.getoption("nbval", default=False):
        return
    from nbval.plugin import IPyNbCell

    tool = load_tool()
    kept = {
        path: tool.read_kept(path) for path in {item.path for item in items if isinstance(item, IPyNbCell)}
    }
    for item in items:
        if isinstance(item, IPyNbCell):
            item.cell.outputs = kept[item.path].get(item.cell.id, [])
            item.cell.execution_count = 0  # nbval compares only cells that were run.
