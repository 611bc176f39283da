"""Facts that wait for somebody who reads them, packed by the dozen.

Of Python objects that are made with every call, some to stay long and some not, the memory gets full of holes, and what
comes next is spread over them: each call then costs a third more. Packed, a block of facts is one piece of memory.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from typing import Any

BLOCK_LENGTH = 64

Make = Callable[..., Any]
Facts = tuple[Any, ...]


class Block:
    """Some facts, each with what makes something of them. What is full packs itself; nothing is added after that.

    Facts of plain values (text, bytes, numbers, None, and tuples, lists and dictionaries of them) are packed; a block
    with others keeps them as they are.
    """

    __slots__ = ("_facts", "_makes", "_packed")

    def __init__(self) -> None:
        self._makes: list[Make] = []
        self._facts: list[Facts] = []
        self._packed = b""

    def add(self, make: Make, facts: Facts) -> bool:
        """Put facts behind the others; returns whether the block is full now."""
        self._makes.append(make)
        self._facts.append(facts)
        if len(self._makes) < BLOCK_LENGTH:
            return False
        try:
            self._packed = marshal.dumps(self._facts)
        except ValueError:
            return True
        self._facts = []
        return True

    def __len__(self) -> int:
        return len(self._makes)

    def __iter__(self) -> Iterator[tuple[Make, Facts]]:
        """All facts, oldest first, each with what was added with them."""
        facts = marshal.loads(self._packed) if self._packed else self._facts
        return zip(self._makes, facts, strict=True)

    @property
    def is_packed(self) -> bool:
        """Whether it is one piece."""
        return bool(self._packed)
