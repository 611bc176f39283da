"""Expressions of Velocity templates: references, literals, operators. Made by `vtl_parser`.

A reference to nothing leaves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labhelpers.gateway.templates import vtl_methods as methods
from labhelpers.gateway.templates import vtl_values as values
from labhelpers.gateway.templates.vtl_nodes import Block, Expression, Scope
from labhelpers.gateway.templates.vtl_values import TemplateError

_DEPTH_MAX = 50


class Defined:
    """The block of a `#define`, run whenever it is referred to."""

    def __init__(self, block: Block) -> None:
        self.block = block


class Access:
    """One step of a reference: `.name`, `.name(arguments)` or `[index]`."""

    __slots__ = ("arguments", "index", "name")

    def __init__(
        self, name: str = "", arguments: Sequence[Expression] | None = None, index: Expression | None = None
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.index = index

    def of(self, value: Any, scope: Scope) -> Any:
        if self.index is not None:
            return values.element(value, self.index.value(scope))
        if self.arguments is None:
            return values.member(value, self.name)
        return methods.call(value, self.name, [each.value(scope) for each in self.arguments])


class Reference:
    """`$name.more[0]`."""

    __slots__ = ("accesses", "name")

    def __init__(self, name: str, accesses: Sequence[Access]) -> None:
        self.name = name
        self.accesses = tuple(accesses)

    def value(self, scope: Scope) -> Any:
        scope.step()
        value = scope.variables.get(self.name)
        if isinstance(value, Defined):
            value = _run_defined(value, scope)
        for access in self.accesses:
            value = access.of(value, scope)
        return value

    def write(self, scope: Scope) -> None:
        scope.write(values.text(self.value(scope)))

    def assign(self, new: Any, scope: Scope) -> None:
        """Make this reference have a value."""
        if not self.accesses:
            scope.variables[self.name] = new
            return
        container = scope.variables.get(self.name)
        for access in self.accesses[:-1]:
            container = access.of(container, scope)
        last = self.accesses[-1]
        if last.arguments is not None:
            raise TemplateError(f"the result of {last.name}() cannot be set")
        values.assign(container, last.name if last.index is None else last.index.value(scope), new)


def _run_defined(defined: Defined, scope: Scope) -> str:
    scope.depth += 1
    if scope.depth > _DEPTH_MAX:
        raise TemplateError("a #define refers to itself")
    try:
        return defined.block.render(scope)
    finally:
        scope.depth -= 1


class Literal:
    """A number, a boolean, null, or a text in single quotes."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def value(self, scope: Scope) -> Any:
        return self._value


class Interpolated:
    """A text in double quotes: a template of its own."""

    __slots__ = ("block",)

    def __init__(self, block: Block) -> None:
        self.block = block

    def value(self, scope: Scope) -> Any:
        return self.block.render(scope)


class ListLiteral:
    """`[a, b]`."""

    __slots__ = ("items",)

    def __init__(self, items: Sequence[Expression]) -> None:
        self.items = tuple(items)

    def value(self, scope: Scope) -> Any:
        return [item.value(scope) for item in self.items]


class RangeLiteral:
    """`[1..3]`, up or down."""

    __slots__ = ("first", "last")

    def __init__(self, first: Expression, last: Expression) -> None:
        self.first = first
        self.last = last

    def value(self, scope: Scope) -> Any:
        first, last = self.first.value(scope), self.last.value(scope)
        if not (values.is_index(first) and values.is_index(last)):
            return None
        step = 1 if first <= last else -1
        if abs(last - first) >= 100_000:
            raise TemplateError("a range is too long")
        return list(range(first, last + step, step))


class MapLiteral:
    """`{"name": value}`."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: Sequence[tuple[Expression, Expression]]) -> None:
        self.pairs = tuple(pairs)

    def value(self, scope: Scope) -> Any:
        return {values.text(key.value(scope)): item.value(scope) for key, item in self.pairs}


class Not:
    """`!a`."""

    __slots__ = ("operand",)

    def __init__(self, operand: Expression) -> None:
        self.operand = operand

    def value(self, scope: Scope) -> Any:
        return not values.truth(self.operand.value(scope))


class Binary:
    """Two operands; `&&` and `||` look at the second only when they must."""

    __slots__ = ("left", "operator", "right")

    def __init__(self, operator: str, left: Expression, right: Expression) -> None:
        self.operator = operator
        self.left = left
        self.right = right

    def value(self, scope: Scope) -> Any:
        operator, left = self.operator, self.left.value(scope)
        if operator == "&&":
            return values.truth(left) and values.truth(self.right.value(scope))
        if operator == "||":
            return values.truth(left) or values.truth(self.right.value(scope))
        right = self.right.value(scope)
        if operator == "==":
            return values.equal(left, right)
        if operator == "!=":
            return not values.equal(left, right)
        if operator in "<=>=":
            return values.compare(operator, left, right)
        return values.arithmetic(operator, left, right)
