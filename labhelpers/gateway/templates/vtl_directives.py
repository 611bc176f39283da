"""Directives of Velocity templates: `#set`, `#if`, `#foreach`, `#define`, `#stop`, `#break`. Made by `vtl_parser`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labhelpers.gateway.templates import vtl_values as values
from labhelpers.gateway.templates.vtl_expressions import Defined, Reference
from labhelpers.gateway.templates.vtl_nodes import Block, Break, Expression, Scope
from labhelpers.gateway.templates.vtl_values import TemplateError, TemplateObject

LOOP_ROUNDS_MAX = 1_000  # API Gateway's quota; a loop ends after them.


class Set:
    """`#set($reference = expression)`."""

    __slots__ = ("expression", "reference")

    def __init__(self, reference: Reference, expression: Expression) -> None:
        self.reference = reference
        self.expression = expression

    def write(self, scope: Scope) -> None:
        self.reference.assign(self.expression.value(scope), scope)


class If:
    """Conditions with their blocks, in order, and the block for none of them."""

    __slots__ = ("branches", "otherwise")

    def __init__(self, branches: Sequence[tuple[Expression, Block]], otherwise: Block | None) -> None:
        self.branches = tuple(branches)
        self.otherwise = otherwise

    def write(self, scope: Scope) -> None:
        for condition, block in self.branches:
            if values.truth(condition.value(scope)):
                block.write(scope)
                return
        if self.otherwise is not None:
            self.otherwise.write(scope)


class Rounds(TemplateObject):
    """`$foreach`: how far the innermost loop is."""

    def __init__(self, count: int, parent: Any) -> None:
        self.at = 0
        self._count = count
        self._parent = parent

    def member(self, name: str) -> Any:
        if name == "hasNext":
            return self.at + 1 < self._count
        facts: dict[str, Any] = {
            "index": self.at,
            "count": self.at + 1,
            "first": self.at == 0,
            "last": self.at + 1 == self._count,
            "parent": self._parent,
        }
        return facts.get(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        return self.member(name.removeprefix("get")[:1].lower() + name.removeprefix("get")[1:])


class Foreach:
    """`#foreach($name in items)`; its variables are as before when it has ended."""

    __slots__ = ("block", "items", "name")

    def __init__(self, name: str, items: Expression, block: Block) -> None:
        self.name = name
        self.items = items
        self.block = block

    def write(self, scope: Scope) -> None:
        items = _items_of(self.items.value(scope))[:LOOP_ROUNDS_MAX]
        variables = scope.variables
        hidden = (self.name, "foreach", "velocityCount", "velocityHasNext")
        before = {name: variables[name] for name in hidden if name in variables}
        rounds = Rounds(len(items), variables.get("foreach"))
        try:
            for rounds.at, item in enumerate(items):
                scope.step()
                variables[self.name] = item
                variables["foreach"] = rounds
                variables["velocityCount"] = rounds.at + 1
                variables["velocityHasNext"] = rounds.at + 1 < len(items)
                self.block.write(scope)
        except Break:
            pass
        finally:
            for name in hidden:
                variables.pop(name, None)
            variables.update(before)


def _items_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return list(value)
    if value is None or value == "":
        return []
    raise TemplateError(f"#foreach needs a list or a map, not {values.text(value)[:50]!r}")


class Define:
    """`#define($name)`: a block to be run where it is referred to."""

    __slots__ = ("block", "name")

    def __init__(self, name: str, block: Block) -> None:
        self.name = name
        self.block = block

    def write(self, scope: Scope) -> None:
        scope.variables[self.name] = Defined(self.block)


class Leave:
    """`#stop` and `#break`."""

    __slots__ = ("kind",)

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def write(self, scope: Scope) -> None:
        raise self.kind
