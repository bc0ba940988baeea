"""What texts of SQL name: functions, operators, and whatever else has a name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from dbctl.errors import RefusedError, UsageError
from dbctl.inspect.query.statement import Opening, parse_statement
from dbctl.sqltokens import Kind, Token, TokenReader, tokenize, words

NAMES = (Kind.WORD, Kind.QUOTED)
# Operators that a statement uses without their sign: IN, LIKE, SIMILAR TO, BETWEEN, CASE, USING.
_IMPLIED = words("= <> < > <= >= ~~ !~~ ~~* !~~* ~ !~")
# Functions that find a type, an index or a table by a value, and run what belongs to it.
_FIND_BY_VALUE = words(
    """
    array_in array_recv bt_index_check domain_in domain_recv gin_index_check multirange_in
    multirange_recv pg_input_error_info pg_input_is_valid range_in range_recv record_in record_recv
    satisfies_hash_partition
    """
)
# Functions that run the SQL they are given.
_TAKES_SQL = words(
    """
    crosstab crosstab2 crosstab3 crosstab4 query_to_xml query_to_xml_and_xmlschema
    query_to_xmlschema ts_stat
    """
)
_POINT = Token(Kind.SYMBOL, ".")
_LITERAL_WORDS = words("true false null")


class Call(NamedTuple):
    """A function by its name; `is_attribute` where it is written as a column: `x.name`."""

    name: str
    qualifier: str | None
    is_attribute: bool


@dataclass(slots=True)
class Calls:
    """What texts name.

    `origins` has for each call which text it is in, None for the statement itself;
    `finds_by_value` says that a function may run what no text names. `with_children` are those
    `names` that stand elsewhere than behind ONLY.
    """

    origins: dict[Call, str | None] = field(default_factory=dict)
    operators: set[str] = field(default_factory=lambda: set(_IMPLIED))
    names: set[str] = field(default_factory=set)
    with_children: set[str] = field(default_factory=set)
    finds_by_value: bool = False
    _given: dict[str, list[str] | None] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, ...]:
        """How much there is; it grows with whatever is new."""
        found = self.origins, self.operators, self.names, self.with_children
        return *map(len, found), self.finds_by_value

    def add(self, tokens: Sequence[Token], origin: str | None) -> None:
        """Take in the tokens of one text."""
        alone = _behind_only(tokens)
        for at, token in enumerate(tokens):
            if token.kind is Kind.SYMBOL:
                self.operators.add("<>" if token.text == "!=" else token.text)
            if token.kind not in NAMES:
                continue
            names = {token.text}
            if token.kind is Kind.WORD and not token.text.isascii():
                # Where a character is a byte, the server folds these letters as well.
                names.add(token.text.lower())
            for name in names:
                self._add_name(name, tokens, at, origin)
            # Before a point it is an alias or a schema, not what is read.
            if at not in alone and _POINT not in tokens[at + 1 : at + 2]:
                self.with_children |= names

    def _add_name(self, name: str, tokens: Sequence[Token], at: int, origin: str | None) -> None:
        self.names.add(name)
        is_qualified = at > 0 and tokens[at - 1].text == "."
        if at + 1 < len(tokens) and tokens[at + 1] == (Kind.SYMBOL, "("):
            has_qualifier = is_qualified and at > 1 and tokens[at - 2].kind in NAMES
            qualifier = tokens[at - 2].text if has_qualifier else None
            self.origins.setdefault(Call(name, qualifier, False), origin)
            if name in _TAKES_SQL or name in _FIND_BY_VALUE:
                self._give(name, tokens[at + 1 :])
        elif is_qualified:  # x.f is f(x), where x has no column f
            self.origins.setdefault(Call(name, None, True), origin)
            self._give(name, ())

    def _give(self, name: str, brackets: Sequence[Token]) -> None:
        """Take in what a function is given, where that is SQL or the name of what it runs."""
        if name in _TAKES_SQL:
            texts, known = _sql_in(name, brackets), self._given.setdefault(name, [])
            self._given[name] = None if known is None or texts is None else known + texts
        elif name in _FIND_BY_VALUE:
            # Of pg_input_is_valid() the first one is the value.
            texts = (_literals(brackets) or [])[name.startswith("pg_input") :]
            found = [*map(tokenize, texts)]
            self.finds_by_value |= not found
            for token in chain.from_iterable(found):
                self.names.add(token.text)
                self.with_children.add(token.text)
                self.finds_by_value |= token.kind is Kind.NUMBER  # an oid

    def given(self, name: str) -> list[str] | None:
        """Return the SQL that a function is given; None where that is not known before it runs."""
        return self._given.get(name)

    def has_call(self, schema: str, name: str) -> bool:
        """Return whether a function is called by its name."""
        return any(call in self.origins for call in _written(schema, name))

    def origin(self, schema: str, name: str) -> str | None:
        """Return which text calls a function."""
        found = (self.origins[call] for call in _written(schema, name) if call in self.origins)
        return next(found, None)


def _behind_only(tokens: Sequence[Token]) -> set[int]:
    """Return the places of the names of relations that are read without their children."""
    places: set[int] = set()
    for at, token in enumerate(tokens):
        if token != (Kind.WORD, "only"):
            continue
        at += 1 + (Token(Kind.SYMBOL, "(") in tokens[at + 1 : at + 2])
        while at < len(tokens) and tokens[at].kind in NAMES:
            places.add(at)
            at += 2
            if _POINT not in tokens[at - 1 : at]:
                break
    return places


def _written(schema: str, name: str) -> list[Call]:
    return [Call(name, schema, False), Call(name, None, False), Call(name, None, True)]


def _sql_in(name: str, brackets: Sequence[Token]) -> list[str] | None:
    """Return the statements in brackets that a function runs; None if they are not known."""
    # The last text of another than crosstab() is no SQL: weights, or an XML namespace.
    texts = (_literals(brackets) or [])[: None if name.startswith("crosstab") else 1]
    try:
        reads = all(parse_statement(text).opening is Opening.READ for text in texts)
    except (RefusedError, UsageError):
        return None
    return texts if reads and texts else None


def _literals(brackets: Sequence[Token]) -> list[str] | None:
    """Return the strings in brackets; None if there is more than literals in them."""
    reader = TokenReader(TokenReader(brackets).group() if brackets else [])
    texts: list[str] = []
    while token := reader.peek():
        reader.position += 1
        if token.kind is Kind.STRING:
            if (text := _text_of(token.text)) is None:
                return None
            texts.append(text)
        elif token.kind is not Kind.NUMBER and token.text not in _LITERAL_WORDS:
            return None
        if reader.accept("::"):
            reader.accept("pg_catalog", ".")
            if not reader.accept_any("text", "varchar", "regclass"):
                return None
        if reader.peek() is not None and not reader.accept(","):
            return None
    return texts


def _text_of(literal: str) -> str | None:
    """Return what a string holds; None for one with escapes."""
    if literal[:1] == "'":
        return literal[1:-1].replace("''", "'")
    if literal[:1] == "$":
        tag = literal[: literal.index("$", 1) + 1]
        return literal[len(tag) : -len(tag)]
    return None
