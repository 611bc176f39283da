"""Blocks of facts: packed when they are full, and the same when they are read."""

from __future__ import annotations

from decimal import Decimal

import pytest

from labhelpers.packed import BLOCK_LENGTH, Block

PLAIN = ("text \u00e9 \ud800", b"\x00", 7, 1.5, None, True, ("a", ("b",)), ["c"], {"d": {"e": 2**70}})


@pytest.mark.parametrize("length", [0, 1, BLOCK_LENGTH - 1, BLOCK_LENGTH])
def test_facts_come_back_in_order(length: int) -> None:
    """Those of a full block from one piece; each with what makes something of it."""
    block, makes = Block(), [lambda *facts: facts for _ in range(BLOCK_LENGTH)]
    full = [block.add(makes[number], (number, *PLAIN)) for number in range(length)]
    assert full == [number == BLOCK_LENGTH - 1 for number in range(length)]
    assert block.is_packed == (length == BLOCK_LENGTH) and len(block) == length
    for _ in range(2):
        assert list(block) == [(makes[number], (number, *PLAIN)) for number in range(length)]


def test_what_cannot_be_packed_is_kept() -> None:
    """Nothing is lost because one of many has a value that is not plain."""
    block = Block()
    for number in range(BLOCK_LENGTH):
        block.add(print, (Decimal(number),))
    assert not block.is_packed
    assert [facts for _, facts in block] == [(Decimal(number),) for number in range(BLOCK_LENGTH)]
