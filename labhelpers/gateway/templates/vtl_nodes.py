"""What a parsed Velocity template is made of: nodes that write, expressions that have a value, and the scope of a run.

Every node that runs takes a step of a budget, so that no template holds up the event loop for long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from labhelpers import limits
from labhelpers.gateway.templates.vtl_values import TemplateError

_STEPS_MAX = 250_000


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
