"""Parses the expressions of Velocity templates, and the references, which stand in the text as well."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from labhelpers.gateway.templates import vtl_expressions as expressions
from labhelpers.gateway.templates import vtl_nodes as nodes
from labhelpers.gateway.templates.vtl_expressions import Access, Reference
from labhelpers.gateway.templates.vtl_nodes import Block, Expression
from labhelpers.gateway.templates.vtl_values import TemplateError

NESTING_MAX = 60

REFERENCE_START = re.compile(r"\$!?(\{)?([A-Za-z_][\w-]*)", re.ASCII)
_MEMBER = re.compile(r"\.([A-Za-z_][\w-]*)", re.ASCII)
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(?:\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+|\d+(?!\.\d))")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"]|"")*)"')
WORD = re.compile(r"[A-Za-z]+")
_OPERATOR = re.compile(r"\|\||&&|==|!=|<=|>=|<|>|[-+*/%]|(?:or|and|eq|ne|lt|gt|le|ge)\b")

_WORDS = {"or": "||", "and": "&&", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
_PRECEDENCE = {
    operator: strength
    for strength, operators in enumerate(("||", "&&", "== !=", "< > <= >=", "+ -", "* / %"), 1)
    for operator in operators.split()
}


class ExpressionParser(ABC):
    """A recursive descent over one text; `at` is how far it is, `nesting` how deep."""

    def __init__(self, text: str, nesting: int = 0) -> None:
        self.text = text
        self.at = 0
        self.nesting = nesting

    def error(self, what: str) -> TemplateError:
        """An error at the place where the parser is."""
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        return TemplateError(f"{what} at line {line}, column {column}")

    @abstractmethod
    def _template(self, text: str) -> Block:
        """The template that a text in double quotes is."""

    def reference(self) -> Reference:
        start = REFERENCE_START.match(self.text, self.at)
        if start is None:
            raise self.error("A reference is expected")
        self.at = start.end()
        accesses: list[Access] = []
        while (access := self._access()) is not None:
            accesses.append(access)
        if start[1]:
            self.expect("}", space=False)
        return Reference(start[2], accesses)

    def _access(self) -> Access | None:
        text = self.text
        if member := _MEMBER.match(text, self.at):
            self.at = member.end()
            if text.startswith("(", self.at):
                self.at += 1
                return Access(member[1], self._list(")"))
            return Access(member[1])
        if text.startswith("[", self.at):
            place, nesting = self.at, self.nesting
            self.at += 1
            try:
                index = self.expression()
                self.expect("]")
            except TemplateError:
                self.at, self.nesting = place, nesting  # `$a[` in a text need not be an index.
                return None
            return Access(index=index)
        return None

    def expression(self, least: int = 1) -> Expression:
        """An expression of operators that bind at least as strongly as `least`."""
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            raise self.error("An expression is nested too deeply")
        left = self._operand()
        while True:
            self.space()
            found = _OPERATOR.match(self.text, self.at)
            operator = _WORDS.get(found[0], found[0]) if found else ""
            if not found or _PRECEDENCE[operator] < least:
                break
            self.at = found.end()
            left = expressions.Binary(operator, left, self.expression(_PRECEDENCE[operator] + 1))
        self.nesting -= 1
        return left

    def _operand(self) -> Expression:
        self.space()
        text, at = self.text, self.at
        first = text[at : at + 1]
        if first == "$":
            return self.reference()
        if first == "!":
            self.at += 1
            return expressions.Not(self._operand())
        if first == "(":
            self.at += 1
            inner = self.expression()
            self.expect(")")
            return inner
        if first == "[":
            return self._list_or_range()
        if first == "{":
            return self._map()
        return self._literal()

    def _literal(self) -> Expression:
        text, at = self.text, self.at
        if found := _SINGLE.match(text, at):
            self.at = found.end()
            return expressions.Literal(found[1])
        if found := _DOUBLE.match(text, at):
            self.at = found.end()
            block = self._template(found[1].replace('""', '"'))
            if all(isinstance(node, nodes.Text) for node in block.nodes):
                return expressions.Literal(
                    "".join(node.text for node in block.nodes if isinstance(node, nodes.Text))
                )
            return expressions.Interpolated(block)
        if found := _NUMBER.match(text, at):
            self.at = found.end()
            number = found[0]
            return expressions.Literal(float(number) if set(number) & set(".eE") else int(number[:400]))
        if found := WORD.match(text, at):
            word = found[0].lower()
            if word in ("true", "false", "null"):
                self.at = found.end()
                return expressions.Literal({"true": True, "false": False, "null": None}[word])
            if word == "not":
                self.at = found.end()
                return expressions.Not(self._operand())
        raise self.error(f"Encountered {text[at : at + 20]!r}, expected a value")

    def _list(self, end: str) -> list[Expression]:
        """Expressions with commas between them, up to `end`."""
        items: list[Expression] = []
        if self.take(end):
            return items
        while True:
            items.append(self.expression())
            if self.take(end):
                return items
            self.expect(",")

    def _list_or_range(self) -> Expression:
        self.at += 1
        if self.take("]"):
            return expressions.ListLiteral(())
        first = self.expression()
        if self.take(".."):
            last = self.expression()
            self.expect("]")
            return expressions.RangeLiteral(first, last)
        if self.take("]"):
            return expressions.ListLiteral((first,))
        self.expect(",")
        return expressions.ListLiteral((first, *self._list("]")))

    def _map(self) -> Expression:
        self.at += 1
        pairs: list[tuple[Expression, Expression]] = []
        if self.take("}"):
            return expressions.MapLiteral(pairs)
        while True:
            key = self.expression()
            self.expect(":")
            pairs.append((key, self.expression()))
            if self.take("}"):
                return expressions.MapLiteral(pairs)
            self.expect(",")

    def space(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def take(self, token: str) -> bool:
        self.space()
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def expect(self, token: str, *, space: bool = True) -> None:
        if space:
            self.space()
        if not self.text.startswith(token, self.at):
            found = self.text[self.at : self.at + 10] or "<EOF>"
            raise self.error(f'Encountered "{found}", expected "{token}"')
        self.at += len(token)
