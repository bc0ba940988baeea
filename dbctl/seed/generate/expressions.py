"""The SQL of checks, as the server writes it, read into a tree; what is not known is opaque."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>E?'(?:[^']|'')*')
      | (?P<number>\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+)
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<word>[^\W\d][\w$]*)
      | (?P<cast>::)
      | (?P<mark>[()\[\],.])
      | (?P<operator>[-+*/<>=~!@\#%^&|`?]+)
    )""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})
_LEVELS = (
    frozenset({"~", "!~", "~*", "!~*", "~~", "!~~", "||"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_LONG_TYPES = (
    ("character", "varying"),
    ("double", "precision"),
    ("bit", "varying"),
    ("timestamp", "with", "time", "zone"),
    ("timestamp", "without", "time", "zone"),
    ("time", "with", "time", "zone"),
    ("time", "without", "time", "zone"),
)


class Opaque(Exception):
    """The expression has a part that is not understood."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression: `literal` and `column` have a value, the others arguments.

    `cast` has the type as its value, `call` and the operators their name; `case` has conditions and
    results in turn, and the result of the rest.
    """

    kind: str
    value: Any = None
    arguments: tuple[Node, ...] = ()

    def columns(self) -> Iterator[str]:
        """Yield the columns that it reads."""
        if self.kind == "column":
            yield self.value
        for argument in self.arguments:
            yield from argument.columns()


def parse(text: str, *, value: str | None = None) -> Node:
    """Read an expression; `value` is the column that VALUE stands for in a domain's check.

    Raises Opaque.
    """
    return _Parser(text, value).parsed()


def parse_definition(text: str, *, value: str) -> Node:
    """Read `CHECK (…)`, a domain's constraint."""
    found = re.fullmatch(r"CHECK (\(.*\))(?: NOT VALID)?", text, re.DOTALL)
    if found is None:
        raise Opaque(text)
    return parse(found[1], value=value)


def conjuncts(node: Node) -> Iterator[Node]:
    """Yield the parts that all have to hold."""
    if node.kind == "and":
        for argument in node.arguments:
            yield from conjuncts(argument)
    else:
        yield node


class _Parser:
    def __init__(self, text: str, value: str | None) -> None:
        self._value = value
        self._tokens: list[tuple[str, str]] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise Opaque(text)
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._at = 0

    def parsed(self) -> Node:
        node = self._or()
        if self._at < len(self._tokens):
            raise Opaque
        return node

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _takes(self, *words: str) -> bool:
        """Take the words if they come next."""
        for ahead, word in enumerate(words):
            kind, text = self._peek(ahead)
            if kind in {"string", "quoted"} or text.upper() != word:
                return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise Opaque(word)

    def _or(self) -> Node:
        parts = [self._and()]
        while self._takes("OR"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Node("or", None, tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while self._takes("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else Node("and", None, tuple(parts))

    def _not(self) -> Node:
        if self._takes("NOT"):
            return Node("not", None, (self._not(),))
        return self._is()

    def _is(self) -> Node:
        node = self._comparison()
        while self._takes("IS"):
            negated = self._takes("NOT")
            if self._takes("NULL"):
                test = Node("is null", None, (node,))
            elif self._takes("TRUE"):
                test = Node("is true", None, (node,))
            elif self._takes("FALSE"):
                test = Node("is false", None, (node,))
            elif self._takes("DISTINCT", "FROM"):
                test = Node("is distinct", None, (node, self._comparison()))
            else:
                raise Opaque
            node = Node("not", None, (test,)) if negated else test
        return node

    def _comparison(self) -> Node:
        node = self._level(0)
        while self._peek()[0] == "operator" and self._peek()[1] in _COMPARISONS:
            operator = self._next()[1]
            if self._takes("ANY"):
                node = Node("any", operator, (node, self._level(0)))
            elif self._takes("ALL"):
                node = Node("all", operator, (node, self._level(0)))
            else:
                node = Node("compare", operator, (node, self._level(0)))
        return node

    def _level(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self._level(level + 1)
        while self._peek()[0] == "operator" and self._peek()[1] in _LEVELS[level]:
            operator = self._next()[1]
            node = Node("operator", operator, (node, self._level(level + 1)))
        return node

    def _unary(self) -> Node:
        if self._peek() == ("operator", "-"):
            self._next()
            return Node("operator", "0-", (self._unary(),))
        node = self._primary()
        while True:
            if self._peek()[0] == "cast":
                self._next()
                node = Node("cast", self._type(), (node,))
            elif self._takes("COLLATE"):
                raise Opaque
            else:
                return node

    def _primary(self) -> Node:
        kind, text = self._next()
        match kind:
            case "mark" if text == "(":
                node = self._or()
                self._expect(")")
                return node
            case "number":
                from decimal import Decimal

                whole = text.isdigit()
                return Node("literal", int(text) if whole else Decimal(text))
            case "string":
                if text.startswith("E"):
                    text = re.sub(r"\\(.)", r"\1", text[1:])
                return Node("literal", text[1:-1].replace("''", "'"))
            case "quoted":
                return self._named(text[1:-1].replace('""', '"'))
            case "word":
                return self._word(text)
            case _:
                raise Opaque(text)

    def _word(self, text: str) -> Node:
        match text.upper():
            case "TRUE":
                return Node("literal", True)
            case "FALSE":
                return Node("literal", False)
            case "NULL":
                return Node("literal", None)
            case "ARRAY" if self._takes("["):
                return Node("array", None, self._list("]"))
            case "EXTRACT" if self._takes("("):
                field = self._next()[1]
                self._expect("FROM")
                node = Node("call", "date_part", (Node("literal", field), self._or()))
                self._expect(")")
                return node
            case "VALUE" if self._value is not None:
                return Node("column", self._value)
            case "CASE":
                return self._case()
            case "ROW" | "ARRAY" | "EXTRACT":
                raise Opaque(text)
            case _:
                return self._named(text)

    def _case(self) -> Node:
        """Read the rest of a CASE: conditions and results in turn, what is left is the last."""
        subject = None if self._takes("WHEN") else self._or()
        if subject is not None:
            self._expect("WHEN")
        parts: list[Node] = []
        while True:
            condition = self._or()
            if subject is not None:
                condition = Node("compare", "=", (subject, condition))
            self._expect("THEN")
            parts += [condition, self._or()]
            if not self._takes("WHEN"):
                break
        parts.append(self._or() if self._takes("ELSE") else Node("literal", None))
        self._expect("END")
        return Node("case", None, tuple(parts))

    def _named(self, name: str) -> Node:
        if self._peek() == ("mark", "."):
            raise Opaque(name)
        if self._takes("("):
            return Node("call", name.lower(), self._list(")"))
        if name.upper().startswith(("CURRENT_", "LOCALTIME", "SESSION_USER")):
            raise Opaque(name)
        return Node("column", name)

    def _list(self, closing: str) -> tuple[Node, ...]:
        if self._takes(closing):
            return ()
        parts = [self._or()]
        while self._takes(","):
            parts.append(self._or())
        self._expect(closing)
        return tuple(parts)

    def _type(self) -> str:
        for words in _LONG_TYPES:
            if self._takes(*map(str.upper, words)):
                name = " ".join(words)
                break
        else:
            kind, name = self._next()
            if kind not in {"word", "quoted"}:
                raise Opaque(name)
            while self._takes("."):
                name = self._next()[1]
            name = name.strip('"')
        if self._peek() == ("mark", "("):
            while self._next()[1] != ")":
                if self._peek()[0] == "end":
                    raise Opaque(name)
        while self._takes("[", "]"):
            name += "[]"
        return name
