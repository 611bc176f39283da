"""Parses Velocity as API Gateway understands it: `#set #if #foreach #define #stop #break`, references, comments.

AWS (recorded by the tests of airspeed-ext): no macros, no #evaluate, #parse or #include; a backslash escapes a
reference or a directive and nothing else; a directive takes the rest of its line with it if that is blank, and #set
the blanks between it and what is written before it on its line; a call of what is no directive is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from labhelpers.gateway.templates import vtl_directives as directives
from labhelpers.gateway.templates import vtl_nodes as nodes
from labhelpers.gateway.templates.vtl_expression_parser import (
    NESTING_MAX,
    REFERENCE_START,
    WORD,
    ExpressionParser,
)
from labhelpers.gateway.templates.vtl_nodes import Block, Expression, Node
from labhelpers.gateway.templates.vtl_values import TemplateError

# docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: a mapping template has at most 300 KB.
TEMPLATE_BYTES_MAX = 300 * 1024

_SPECIAL = re.compile(r"[$#\\]")
_DIRECTIVE = re.compile(r"#(?:\{(\w+)\}|(elseif|else|end|if|set|foreach|define|macro|stop|break)\b)")
_BLANK_LINE_END = re.compile(r"[ \t]*\r?\n")
_CALL = re.compile(r"#(?:\{\w+\}|[A-Za-z]\w*)[ \t]*\(")
_BRACKET = re.compile(r"[()]|\"[^\"]*\"|'[^']*'")
_KNOWN = frozenset("elseif else end if set foreach define macro stop break".split())


@lru_cache(maxsize=512)
def parse(text: str) -> Block:
    """The template of a text. TemplateError, which says where."""
    if len(text.encode("utf-8", "surrogatepass")) > TEMPLATE_BYTES_MAX:
        raise TemplateError("Mapping template size exceeds 300 KB")
    parser = _Parser(text)
    block, ended_by = parser.block(())
    if ended_by:
        raise parser.error(f'Encountered "#{ended_by}"')
    return block


class _Parser(ExpressionParser):
    """Text with references and directives in it."""

    def __init__(self, text: str, nesting: int = 0, *, quoted: bool = False) -> None:
        super().__init__(text, nesting)
        self._quoted = quoted

    def _template(self, text: str) -> Block:
        return _Parser(text, self.nesting, quoted=True).block(())[0]

    # --- Text, references, directives ---

    def block(self, ends: tuple[str, ...]) -> tuple[Block, str]:
        """Nodes up to one of the directives `ends` (or the end of the text, then ""), and which one it was."""
        self.nesting += 1
        if self.nesting > NESTING_MAX:
            raise self.error("Directives are nested too deeply")
        found: list[Node] = []
        text, size = self.text, len(self.text)
        while self.at < size:
            special = _SPECIAL.search(text, self.at)
            if special is None:
                found.append(nodes.Text(text[self.at :]))
                self.at = size
                break
            if special.start() > self.at:
                found.append(nodes.Text(text[self.at : special.start()]))
                self.at = special.start()
            ended_by = self._special(special[0], found, ends)
            if ended_by:
                self.nesting -= 1
                return Block(found), ended_by
        if ends:
            raise self.error('Encountered "<EOF>", expected #end')
        self.nesting -= 1
        return Block(found), ""

    def _special(self, character: str, found: list[Node], ends: tuple[str, ...]) -> str:
        if character == "\\":
            self._backslashes(found)
        elif character == "$":
            self._dollar(found)
        elif self.text.startswith("##", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end + 1
        elif self.text.startswith("#*", self.at):
            self._skip_to("*#", "#*")
        elif self.text.startswith("#[[", self.at):
            start = self.at + 3
            self._skip_to("]]#", "#[[")
            found.append(nodes.Text(self.text[start : self.at - 3]))
        else:
            return self._hash(found, ends)
        return ""

    def _skip_to(self, end: str, start: str) -> None:
        place = self.text.find(end, self.at + len(start))
        if place < 0:
            raise self.error(f'Encountered "<EOF>" after {start}')
        self.at = place + len(end)

    def _backslashes(self, found: list[Node]) -> None:
        """Backslashes before a reference or directive: each two are one, a last one makes it text."""
        text, start = self.text, self.at
        while text.startswith("\\", self.at):
            self.at += 1
        count, place = self.at - start, self.at
        reference = REFERENCE_START.match(text, place)
        directive = self._directive_at(place)
        if reference is None and directive is None:
            found.append(nodes.Text("\\" * count))
            return
        found.append(nodes.Text("\\" * (count // 2)))
        if count % 2:
            if directive is not None:
                self.at = directive.end()
            else:
                self.reference()
            found.append(nodes.Text(text[place : self.at]))

    def _dollar(self, found: list[Node]) -> None:
        if REFERENCE_START.match(self.text, self.at):
            found.append(self.reference())
            return
        if self.at + 1 == len(self.text) and not self._quoted:  # AWS: 500.
            raise self.error('Encountered "<EOF>" after "$"')
        found.append(nodes.Text("$"))
        self.at += 1

    def _directive_at(self, place: int) -> re.Match[str] | None:
        found = _DIRECTIVE.match(self.text, place)
        return found if found and (found[1] or found[2]) in _KNOWN else None

    def _hash(self, found: list[Node], ends: tuple[str, ...]) -> str:
        """A directive, or a `#` that is none. Returns the directive's name when it ends the block."""
        directive = self._directive_at(self.at)
        if directive is None:
            self._call_of_nothing(found)
            return ""
        name = directive[1] or directive[2]
        if name == "set" and found and isinstance(found[-1], nodes.Text) and not found[-1].text.strip(" \t"):
            found.pop()
        if name in ("else", "elseif", "end"):
            if name not in ends:
                raise self.error(f'Encountered "#{name}"')
            self.at = directive.end()
            if name != "elseif":
                self._blank_line_end()
            return name
        self.at = directive.end()
        node = _DIRECTIVES[name](self)
        if node is not None:
            found.append(node)
        return ""

    def _call_of_nothing(self, found: list[Node]) -> None:
        """A `#` without a directive's name: text, with all between the brackets if it looks like a call."""
        end = self.at + 1
        if call := _CALL.match(self.text, self.at):
            depth, place = 1, call.end()
            while depth and (bracket := _BRACKET.search(self.text, place)):
                depth += {"(": 1, ")": -1}.get(bracket[0], 0)
                place = bracket.end()
            end = end if depth else place
        found.append(nodes.Text(self.text[self.at : end]))
        self.at = end

    def _blank_line_end(self) -> None:
        if rest := _BLANK_LINE_END.match(self.text, self.at):
            self.at = rest.end()

    # --- Directives with parentheses ---

    def set(self) -> Node:
        self.expect("(")
        self.space()
        reference = self.reference()
        self.expect("=")
        expression = self.expression()
        self._close()
        return directives.Set(reference, expression)

    def condition(self) -> Expression:
        self.expect("(")
        expression = self.expression()
        self._close()
        return expression

    def if_(self) -> Node:
        branches: list[tuple[Expression, Block]] = []
        condition = self.condition()
        while True:
            block, ended_by = self.block(("elseif", "else", "end"))
            branches.append((condition, block))
            if ended_by == "end":
                return directives.If(branches, None)
            if ended_by == "else":
                otherwise, _ = self.block(("end",))
                return directives.If(branches, otherwise)
            condition = self.condition()

    def foreach(self) -> Node:
        self.expect("(")
        self.space()
        name = self.reference().name
        self.space()
        word = WORD.match(self.text, self.at)
        if word is None or word[0] != "in":
            raise self.error("#foreach needs `in`")
        self.at = word.end()
        items = self.expression()
        self._close()
        block, _ = self.block(("end",))
        return directives.Foreach(name, items, block)

    def define(self) -> Node:
        self.expect("(")
        self.space()
        name = self.reference().name
        self._close()
        block, _ = self.block(("end",))
        return directives.Define(name, block)

    def macro(self) -> None:
        """AWS has none: the definition leaves nothing, and its calls are text."""
        self.expect("(")
        end = self.text.find(")", self.at)
        if end < 0:
            raise self.error("#macro is not closed")
        self.at = end + 1
        self._blank_line_end()
        self.block(("end",))

    def _close(self) -> None:
        self.expect(")")
        self._blank_line_end()


_DIRECTIVES: dict[str, Callable[[_Parser], Node | None]] = {
    "set": _Parser.set,
    "if": _Parser.if_,
    "foreach": _Parser.foreach,
    "define": _Parser.define,
    "macro": _Parser.macro,
    "stop": lambda _: directives.Leave(nodes.Stop),
    "break": lambda _: directives.Leave(nodes.Break),
}
