"""What a rule is asked about: a statement, what it does, and what its transaction did before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dbctl.migrate.catalogue.effects import Effect
from dbctl.migrate.offline import Statement
from dbctl.migrate.plan_results import Kind
from dbctl.migrate.statements import Assessment, LockLevel, Work, assess
from dbctl.migrate.statements.types import TypeName, read_type
from dbctl.sqltokens import Kind as TokenKind
from dbctl.sqltokens import Token, TokenReader, statements, tokenize, words

# What begins an element of CREATE TABLE or ADD that is not a column.
_NO_COLUMN = words("constraint primary unique foreign check exclude like not")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a statement defines, or gives a type."""

    name: str
    type: TypeName
    definition: TokenReader


@dataclass(frozen=True, slots=True)
class Facts:
    """One statement of a revision; `earlier` are those before it in the same transaction.

    `created` are the tables that the revision has made by then: nobody waits for them. `effect` is
    what the statement does on the database that it is to run on, where that is known.
    """

    statement: Statement
    sql: str
    tokens: Sequence[Token]
    assessed: Assessment
    earlier: tuple[Facts, ...]
    created: frozenset[str]
    effect: Effect | None = None

    @property
    def reader(self) -> TokenReader:
        """A reader at the beginning of the statement."""
        return TokenReader(self.tokens)

    def begins(self, *each: str) -> bool:
        """Return whether the statement begins with one of these words."""
        return any(self.reader.at(*one.split()) for one in each)

    def has(self, *each: str) -> bool:
        """Return whether one of these sequences of words stands outside brackets."""
        return any(self.reader.has(*one.split()) for one in each)

    def tables_locked(self, least: LockLevel) -> list[str]:
        """Return the tables that were there before and are locked in `least` or more."""
        return [table for table, level in self.assessed.locks if level.strength >= least.strength]

    @property
    def table(self) -> str:
        """The first table that is locked, for a message."""
        return self.assessed.locks[0][0] if self.assessed.locks else "a table"

    @property
    def does_work(self) -> bool:
        """Whether it takes longer the more rows there are, or that is not known."""
        return (
            self.assessed.work is not Work.NONE
            or any(level is LockLevel.ROW_EXCLUSIVE for _, level in self.assessed.locks)
            or not self.assessed.known
        )

    def columns(self) -> Iterator[Column]:
        """Yield the columns that the statement defines, or gives another type."""
        reader = self.reader
        if reader.accept("create"):
            reader.accept_any("temp", "temporary", "unlogged", "global", "local")
            if reader.accept("table"):
                reader.accept("if", "not", "exists")
                reader.name()
                if reader.at("("):
                    yield from _defined(TokenReader(reader.group()))
        elif reader.accept("alter", "table"):
            reader.accept("if", "exists")
            reader.accept("only")
            reader.name()
            reader.accept("*")
            for action in reader.split():
                yield from _altered(action)


def _defined(elements: TokenReader) -> Iterator[Column]:
    for element in elements.split():
        first = element.peek()
        if first and not (first.kind is TokenKind.WORD and first.text in _NO_COLUMN):
            yield from _column(element)


def _altered(action: TokenReader) -> Iterator[Column]:
    if action.accept("add"):
        given = action.accept("column")
        action.accept("if", "not", "exists")
        first = action.peek()
        named = first and not (first.kind is TokenKind.WORD and first.text in _NO_COLUMN)
        if given or named:
            yield from _column(action)
    elif action.accept("alter"):
        action.accept("column")
        name = "".join(action.name_parts())
        action.accept("set", "data")
        if action.accept("type") and (type_ := read_type(action)):
            yield Column(name, type_, action)


def _column(element: TokenReader) -> Iterator[Column]:
    name = element.peek()
    element.position += 1
    if name and (type_ := read_type(element)):
        yield Column(name.text, type_, element)


def facts_of(
    rendered: Sequence[Statement], effects: Mapping[int, Effect] | None = None
) -> Iterator[Facts]:
    """Yield the facts of each statement of a revision, one for each in a text with several.

    `effects` are those that are known, by the `id` of the statement.
    """
    created: set[str] = set()
    earlier: list[Facts] = []
    for statement in rendered:
        if statement.kind is Kind.TRANSACTION or not statement.transactional:
            earlier.clear()
        if statement.kind is not Kind.REVISION:
            continue
        for sql in statements(statement.sql):
            facts = Facts(
                statement,
                sql,
                tuple(tokenize(sql)),
                assess(sql, created),
                tuple(earlier),
                frozenset(created),
                (effects or {}).get(id(statement)),
            )
            yield facts
            created.update(facts.assessed.creates)
            earlier.append(facts)
