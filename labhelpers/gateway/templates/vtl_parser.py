"""Parses Velocity as API Gateway understands it: `#set #if #foreach #define #stop #break`, references, comments.

AWS (recorded by the tests of airspeed-ext): no macros, no #evaluate, #parse or #include; a backslash escapes a
reference or a directive and nothing else; a directive takes the rest of its line with it if that is blank.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from labhelpers.gateway.templates import vtl_nodes as nodes
from labhelpers.gateway.templates.vtl_nodes import Access, Block, Expression, Node, Reference
from labhelpers.gateway.templates.vtl_values import TemplateError

# docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: a mapping template has at most 300 KB.
TEMPLATE_BYTES_MAX = 300 * 1024
_NESTING_MAX = 60

_SPECIAL = re.compile(r"[$#\\]")
_REFERENCE_START = re.compile(r"\$!?(\{)?([A-Za-z_][\w-]*)", re.ASCII)
_MEMBER = re.compile(r"\.([A-Za-z_][\w-]*)", re.ASCII)
_DIRECTIVE = re.compile(r"#(?:\{(\w+)\}|(elseif|else|end|if|set|foreach|define|macro|stop|break)\b)")
_BLANK_LINE_END = re.compile(r"[ \t]*\r?\n")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(?:\d+\.\d+(?:[eE][+-]?\d+)?|\.\d+|\d+(?!\.\d))")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"]|"")*)"')
_WORD = re.compile(r"[A-Za-z]+")
_OPERATOR = re.compile(r"\|\||&&|==|!=|<=|>=|<|>|[-+*/%]|(?:or|and|eq|ne|lt|gt|le|ge)\b")

_WORDS = {"or": "||", "and": "&&", "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">="}
_PRECEDENCE = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
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


class _Parser:
    """A recursive descent over one text; `at` is how far it is."""

    def __init__(self, text: str, nesting: int = 0, *, quoted: bool = False) -> None:
        self._text = text
        self._at = 0
        self._nesting = nesting
        self._quoted = quoted

    def error(self, what: str) -> TemplateError:
        """An error at the place where the parser is."""
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        return TemplateError(f"{what} at line {line}, column {column}")

    # --- Text, references, directives ---

    def block(self, ends: tuple[str, ...]) -> tuple[Block, str]:
        """Nodes up to one of the directives `ends` (or the end of the text, then ""), and which one it was."""
        self._nesting += 1
        if self._nesting > _NESTING_MAX:
            raise self.error("Directives are nested too deeply")
        found: list[Node] = []
        text, size = self._text, len(self._text)
        while self._at < size:
            special = _SPECIAL.search(text, self._at)
            if special is None:
                found.append(nodes.Text(text[self._at :]))
                self._at = size
                break
            if special.start() > self._at:
                found.append(nodes.Text(text[self._at : special.start()]))
                self._at = special.start()
            ended_by = self._special(special[0], found, ends)
            if ended_by:
                self._nesting -= 1
                return Block(found), ended_by
        if ends:
            raise self.error('Encountered "<EOF>", expected #end')
        self._nesting -= 1
        return Block(found), ""

    def _special(self, character: str, found: list[Node], ends: tuple[str, ...]) -> str:
        if character == "\\":
            self._backslashes(found)
        elif character == "$":
            self._dollar(found)
        elif self._text.startswith("##", self._at):
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end + 1
        elif self._text.startswith("#*", self._at):
            self._skip_to("*#", "#*")
        elif self._text.startswith("#[[", self._at):
            start = self._at + 3
            self._skip_to("]]#", "#[[")
            found.append(nodes.Text(self._text[start : self._at - 3]))
        else:
            return self._hash(found, ends)
        return ""

    def _skip_to(self, end: str, start: str) -> None:
        place = self._text.find(end, self._at + len(start))
        if place < 0:
            raise self.error(f'Encountered "<EOF>" after {start}')
        self._at = place + len(end)

    def _backslashes(self, found: list[Node]) -> None:
        """Backslashes before a reference or directive: each two are one, a last one makes it text."""
        text, start = self._text, self._at
        while text.startswith("\\", self._at):
            self._at += 1
        count, place = self._at - start, self._at
        reference = _REFERENCE_START.match(text, place)
        directive = self._directive_at(place)
        if reference is None and directive is None:
            found.append(nodes.Text("\\" * count))
            return
        found.append(nodes.Text("\\" * (count // 2)))
        if count % 2:
            if directive is not None:
                self._at = directive.end()
            else:
                self._reference()
            found.append(nodes.Text(text[place : self._at]))

    def _dollar(self, found: list[Node]) -> None:
        if _REFERENCE_START.match(self._text, self._at):
            found.append(self._reference())
            return
        if self._at + 1 == len(self._text) and not self._quoted:  # AWS: 500.
            raise self.error('Encountered "<EOF>" after "$"')
        found.append(nodes.Text("$"))
        self._at += 1

    def _directive_at(self, place: int) -> re.Match[str] | None:
        found = _DIRECTIVE.match(self._text, place)
        return found if found and (found[1] or found[2]) in _KNOWN else None

    def _hash(self, found: list[Node], ends: tuple[str, ...]) -> str:
        """A directive, or a `#` that is none. Returns the directive's name when it ends the block."""
        directive = self._directive_at(self._at)
        if directive is None:
            found.append(nodes.Text("#"))
            self._at += 1
            return ""
        name = directive[1] or directive[2]
        if name in ("else", "elseif", "end"):
            if name not in ends:
                raise self.error(f'Encountered "#{name}"')
            self._at = directive.end()
            if name != "elseif":
                self._blank_line_end()
            return name
        self._at = directive.end()
        node = _DIRECTIVES[name](self)
        if node is not None:
            found.append(node)
        return ""

    def _blank_line_end(self) -> None:
        if rest := _BLANK_LINE_END.match(self._text, self._at):
            self._at = rest.end()

    def _reference(self) -> Reference:
        start = _REFERENCE_START.match(self._text, self._at)
        if start is None:
            raise self.error("A reference is expected")
        self._at = start.end()
        accesses: list[Access] = []
        while (access := self._access()) is not None:
            accesses.append(access)
        if start[1]:
            self._expect("}", space=False)
        return Reference(start[2], accesses)

    def _access(self) -> Access | None:
        text = self._text
        if member := _MEMBER.match(text, self._at):
            self._at = member.end()
            if text.startswith("(", self._at):
                self._at += 1
                return Access(member[1], self._list(")"))
            return Access(member[1])
        if text.startswith("[", self._at):
            place, nesting = self._at, self._nesting
            self._at += 1
            try:
                index = self.expression()
                self._expect("]")
            except TemplateError:
                self._at, self._nesting = place, nesting  # `$a[` in a text need not be an index.
                return None
            return Access(index=index)
        return None

    # --- Directives with parentheses ---

    def set(self) -> Node:
        self._expect("(")
        self._space()
        reference = self._reference()
        self._expect("=")
        expression = self.expression()
        self._close()
        return nodes.Set(reference, expression)

    def condition(self) -> Expression:
        self._expect("(")
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
                return nodes.If(branches, None)
            if ended_by == "else":
                otherwise, _ = self.block(("end",))
                return nodes.If(branches, otherwise)
            condition = self.condition()

    def foreach(self) -> Node:
        self._expect("(")
        self._space()
        name = self._reference().name
        self._space()
        word = _WORD.match(self._text, self._at)
        if word is None or word[0] != "in":
            raise self.error("#foreach needs `in`")
        self._at = word.end()
        items = self.expression()
        self._close()
        block, _ = self.block(("end",))
        return nodes.Foreach(name, items, block)

    def define(self) -> Node:
        self._expect("(")
        self._space()
        name = self._reference().name
        self._close()
        block, _ = self.block(("end",))
        return nodes.Define(name, block)

    def macro(self) -> None:
        """AWS has none: the definition leaves nothing, and its calls are text."""
        self._expect("(")
        end = self._text.find(")", self._at)
        if end < 0:
            raise self.error("#macro is not closed")
        self._at = end + 1
        self._blank_line_end()
        self.block(("end",))

    def _close(self) -> None:
        self._expect(")")
        self._blank_line_end()

    # --- Expressions ---

    def expression(self, least: int = 1) -> Expression:
        """An expression of operators that bind at least as strongly as `least`."""
        self._nesting += 1
        if self._nesting > _NESTING_MAX:
            raise self.error("An expression is nested too deeply")
        left = self._operand()
        while True:
            self._space()
            found = _OPERATOR.match(self._text, self._at)
            operator = _WORDS.get(found[0], found[0]) if found else ""
            if not found or _PRECEDENCE[operator] < least:
                break
            self._at = found.end()
            left = nodes.Binary(operator, left, self.expression(_PRECEDENCE[operator] + 1))
        self._nesting -= 1
        return left

    def _operand(self) -> Expression:
        self._space()
        text, at = self._text, self._at
        first = text[at : at + 1]
        if first == "$":
            return self._reference()
        if first == "!":
            self._at += 1
            return nodes.Not(self._operand())
        if first == "(":
            self._at += 1
            inner = self.expression()
            self._expect(")")
            return inner
        if first == "[":
            return self._list_or_range()
        if first == "{":
            return self._map()
        return self._literal()

    def _literal(self) -> Expression:
        text, at = self._text, self._at
        if found := _SINGLE.match(text, at):
            self._at = found.end()
            return nodes.Literal(found[1])
        if found := _DOUBLE.match(text, at):
            self._at = found.end()
            inner = _Parser(found[1].replace('""', '"'), self._nesting, quoted=True)
            block, _ = inner.block(())
            if all(isinstance(node, nodes.Text) for node in block.nodes):
                return nodes.Literal(
                    "".join(node.text for node in block.nodes if isinstance(node, nodes.Text))
                )
            return nodes.Interpolated(block)
        if found := _NUMBER.match(text, at):
            self._at = found.end()
            number = found[0]
            return nodes.Literal(float(number) if set(number) & set(".eE") else int(number[:400]))
        if found := _WORD.match(text, at):
            word = found[0].lower()
            if word in ("true", "false", "null"):
                self._at = found.end()
                return nodes.Literal({"true": True, "false": False, "null": None}[word])
            if word == "not":
                self._at = found.end()
                return nodes.Not(self._operand())
        raise self.error(f"Encountered {text[at : at + 20]!r}, expected a value")

    def _list(self, end: str) -> list[Expression]:
        """Expressions with commas between them, up to `end`."""
        items: list[Expression] = []
        if self._take(end):
            return items
        while True:
            items.append(self.expression())
            if self._take(end):
                return items
            self._expect(",")

    def _list_or_range(self) -> Expression:
        self._at += 1
        if self._take("]"):
            return nodes.ListLiteral(())
        first = self.expression()
        if self._take(".."):
            last = self.expression()
            self._expect("]")
            return nodes.RangeLiteral(first, last)
        if self._take("]"):
            return nodes.ListLiteral((first,))
        self._expect(",")
        return nodes.ListLiteral((first, *self._list("]")))

    def _map(self) -> Expression:
        self._at += 1
        pairs: list[tuple[Expression, Expression]] = []
        if self._take("}"):
            return nodes.MapLiteral(pairs)
        while True:
            key = self.expression()
            self._expect(":")
            pairs.append((key, self.expression()))
            if self._take("}"):
                return nodes.MapLiteral(pairs)
            self._expect(",")

    # --- Tokens ---

    def _space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _take(self, token: str) -> bool:
        self._space()
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _expect(self, token: str, *, space: bool = True) -> None:
        if space:
            self._space()
        if not self._text.startswith(token, self._at):
            found = self._text[self._at : self._at + 10] or "<EOF>"
            raise self.error(f'Encountered "{found}", expected "{token}"')
        self._at += len(token)


_DIRECTIVES: dict[str, Callable[[_Parser], Node | None]] = {
    "set": _Parser.set,
    "if": _Parser.if_,
    "foreach": _Parser.foreach,
    "define": _Parser.define,
    "macro": _Parser.macro,
    "stop": lambda _: nodes.Leave(nodes.Stop),
    "break": lambda _: nodes.Leave(nodes.Break),
}
