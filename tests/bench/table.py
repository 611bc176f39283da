"""What the measurements share: a line of the table, and a function's package."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    value: str
    floor: str = ""
    peer: str = ""
    target: str = ""


def milliseconds(seconds: float) -> str:
    """Seconds as the table shows them."""
    return f"{seconds * 1000:.2f} ms"


def package(source: str) -> bytes:
    """A zip archive with `source` as index.py."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", source)
    return buffer.getvalue()
