"""A parsed Velocity template: nodes that write themselves, and expressions that have a value. Made by `vtl_parser`.

Rules: a reference to nothing leaves nothing; a loop ends after 1,000 rounds (API Gateway's quota); every node that runs
takes a step of a budget, so that no template holds up the event loop for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from labhelpers import limits
from labhelpers.gateway.templates import vtl_methods as methods
from labhelpers.gateway.templates import vtl_values as values
from labhelpers.gateway.templates.vtl_values import TemplateError, TemplateObject

LOOP_ROUNDS_MAX = 1_000
_STEPS_MAX = 250_000
_DEPTH_MAX = 50


class Scope:
    """The variables of one run, what it has written, and how many steps it has left."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables
        self.out: list[str] = []
        self.depth = 0
        self._steps = _STEPS_MAX
        self._length = 0

    def step(self) -> None:
        """TemplateError when the template has run for too long."""
        self._steps -= 1
        if self._steps < 0:
            raise TemplateError("the template takes too many steps")

    def write(self, made: str) -> None:
        """TemplateError when more than 10 MB have been written."""
        self._length += len(made)
        if self._length > limits.GATEWAY_PAYLOAD_BYTES_MAX:
            raise TemplateError("the result is longer than 10 MB")
        self.out.append(made)


class Stop(Exception):
    """`#stop`: what has been written is the result."""


class Break(Exception):
    """`#break`: the loop ends."""


class Node(Protocol):
    """Something that writes."""

    def write(self, scope: Scope) -> None: ...


class Expression(Protocol):
    """Something that has a value."""

    def value(self, scope: Scope) -> Any: ...


class Text:
    """Text as it stands."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def write(self, scope: Scope) -> None:
        scope.write(self.text)


class Block:
    """Nodes one after the other."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)

    def write(self, scope: Scope) -> None:
        for node in self.nodes:
            scope.step()
            node.write(scope)

    def render(self, scope: Scope) -> str:
        """What the block writes, apart from the rest."""
        kept, scope.out = scope.out, []
        try:
            self.write(scope)
            return "".join(scope.out)
        finally:
            scope.out = kept


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


# --- Expressions ---


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


# --- Directives ---


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
