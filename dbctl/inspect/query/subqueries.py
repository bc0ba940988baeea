"""The columns of what a statement derives: its CTEs and subqueries, as the server names them.

A plan tells what such a query puts out and which of its columns are read, but not which is which.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import asyncpg

from dbctl.db.names import quote
from dbctl.db.search_path import session_path
from dbctl.inspect.query.preparing import parsed
from dbctl.sqltokens import RESERVED, Kind, Piece, Token, TokenReader, pieces, words

_QUERY = words("select values table with (")
_LITERAL = words("null true false")


async def columns_of(
    connection: asyncpg.Connection[Any], text: str, wanted: Collection[str]
) -> Mapping[str, Sequence[str]]:
    """Return the names of the columns of those CTEs and subqueries in `text` that are `wanted`.

    Left out is what comes twice, what refers to something outside of it, and what has two columns
    of one name.
    """
    found: dict[str, Sequence[str]] = {}
    for name, query in _queries(text).items():
        if query is None or name not in wanted:
            continue
        try:
            async with connection.transaction(), session_path(connection):
                prepared = await parsed(connection, query)
        except asyncpg.PostgresError:
            continue
        names = [attribute.name for attribute in prepared.get_attributes()]
        if len(set(names)) == len(names):
            found[name] = names
    return found


def has_only_literal_values(tokens: Sequence[Token]) -> bool:
    """Tell whether no VALUES in a statement has a name in it: a column, a subquery, a function."""
    reader = TokenReader(tokens)
    while token := reader.peek():
        reader.position += 1
        if token != (Kind.WORD, "values"):
            continue
        while reader.at("("):
            names = (t for t in reader.group() if t.kind in (Kind.WORD, Kind.QUOTED))
            if any(name.kind is Kind.QUOTED or name.text not in _LITERAL for name in names):
                return False
            reader.accept(",")
    return True


def _queries(text: str) -> dict[str, str | None]:
    """Return for each CTE and subquery the statement that reads it all; None if it is not clear."""
    found = list(pieces(text))
    tokens = [piece.token for piece in found]
    names, end = _with_clause(tokens)
    clause = text[: found[end].start] if names and end < len(found) else ""
    queries: dict[str, str | None] = {}
    for name in names:
        known = name in queries
        queries[name] = None if known else f"{clause} SELECT * FROM {quote(name)}"  # noqa: S608
    for name, derived in _subqueries(text, found):
        known = name in queries
        queries[name] = None if known else f"{clause} SELECT * FROM {derived}"  # noqa: S608
    for name, relation in _relations(text, found):
        if relation not in names:
            known = name in queries
            queries[name] = None if known else f"SELECT * FROM {relation}"  # noqa: S608
    return queries


def _with_clause(tokens: Sequence[Token]) -> tuple[list[str], int]:
    """Return the names of the CTEs of a statement, and where its WITH ends."""
    reader, names = TokenReader(tokens), []
    if not reader.accept("with"):
        return [], 0
    reader.accept("recursive")
    while name := reader.name_parts():
        names.append(name[0])
        reader.skip_group()
        reader.accept("as")
        reader.accept_any("not", "materialized")
        reader.skip_group()
        if not reader.accept(","):
            break
    return names, reader.position


def _relations(text: str, found: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """Yield the alias or the name of each relation after FROM or JOIN, and how it is written.

    A view that is a security barrier stays a subquery in the plan.
    """
    reader = TokenReader([piece.token for piece in found])
    while reader.peek():
        if not reader.accept_any("from", "join"):
            reader.position += 1
            continue
        start = reader.position
        parts = reader.name_parts()
        end = reader.position
        if not parts or reader.at("("):
            continue
        reader.accept("as")
        alias = reader.peek()
        is_alias = alias is not None and (
            alias.kind is Kind.QUOTED or (alias.kind is Kind.WORD and alias.text not in RESERVED)
        )
        name = alias.text if alias is not None and is_alias else parts[-1]
        reader.position += is_alias
        if not reader.at("("):  # which would give its columns other names
            yield name, text[found[start].start : found[end - 1].end]


def _subqueries(text: str, found: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    """Yield the alias of each subquery that has one, and its text with the alias."""
    tokens = [piece.token for piece in found]
    for at, token in enumerate(tokens):
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if token != (Kind.SYMBOL, "(") or after not in _QUERY:
            continue
        reader = TokenReader(tokens)
        reader.position = at
        reader.skip_group()
        reader.accept("as")
        alias = reader.peek()
        if alias is None or alias.kind not in (Kind.WORD, Kind.QUOTED):
            continue
        if alias.kind is Kind.WORD and alias.text in RESERVED:
            continue
        reader.position += 1
        reader.skip_group()
        yield alias.text, text[found[at].start : found[reader.position - 1].end]
