"""Small records that hot paths make by the dozen: to the type checker frozen dataclasses, at run time plain ones.

A frozen dataclass sets each field by a call; that is three quarters of what it costs to make one.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def record(cls: type[T]) -> type[T]:
    """Make a class a dataclass with slots whose fields nobody sets again: mypy sees to that."""
    return dataclasses.dataclass(slots=True, unsafe_hash=True)(cls)
