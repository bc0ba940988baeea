"""The operation behind `inspect query`: one statement, looked at first, then read like rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from dbctl.db.failures import first_line
from dbctl.db.names import quote
from dbctl.db.search_path import restore_path, session_path
from dbctl.errors import ErrorCode, RefusedError
from dbctl.inspect.data.cost import Guard
from dbctl.inspect.data.discreet import discreet
from dbctl.inspect.data.results import Header
from dbctl.inspect.data.source import Answer, Field, Source
from dbctl.inspect.masking import Masks
from dbctl.inspect.query.guard import guard
from dbctl.inspect.query.json_keys import named_secrets
from dbctl.inspect.query.lineage import Traced, masked_among, masked_inside, trace
from dbctl.inspect.query.preparing import Prepared, Type, bind, misunderstood, prepare
from dbctl.inspect.query.results import QueryResult
from dbctl.inspect.query.statement import Opening, parse_statement
from dbctl.inspect.sensitive.keys import key_rule

# The rows of a statement, as a relation.
_ALIAS = "q"
_SUPERUSER = (
    "connected as a superuser: READ ONLY and dbctl's look at the functions bind this query, but no "
    "privilege does"
)
# The server's word for a statement that would write.
_READ_ONLY = asyncpg.ReadOnlySQLTransactionError


async def find_query(
    connection: asyncpg.Connection[Any],
    text: str,
    *,
    given: Mapping[str, str | None] | None = None,
    limit: int | None = None,
    masks: Masks,
    cost: Guard | None = None,
    tell: Callable[[str], None] = lambda _text: None,
) -> Answer[QueryResult]:
    """Find the rows of the one statement in `text`, up to `limit`.

    `given` has the values of its parameters; None is NULL. `tell` is told what a person should know
    of the role that runs it. Nothing of the statement runs before
    all functions that it may call were looked at. Raises UsageError for what the server does not
    understand, RefusedError for a statement that would do more than read or costs too much.
    """
    values = given or {}
    statement = parse_statement(text, values)
    # Before the server parses it: that reads literals, by the checks of the domains in their types.
    inside = await guard(connection, statement.tokens)
    prepared = await prepare(connection, statement)
    if connection.get_settings().is_superuser == "on":
        tell(_SUPERUSER)
    parameters = await bind(connection, prepared, values)
    named = {token.text for token in statement.tokens} | inside.names
    private = await masked_among(connection, named, masks) is not None
    if rule := key_rule(masks, ("",)):
        private = private or named_secrets(statement.tokens, rule)
    if statement.opening is not Opening.READ:
        # A plan has the results of functions in it that became constants.
        reason = await masked_inside(connection, inside, masks) if inside.has_unseen else None
        with discreet(private):
            source = await _told(connection, prepared, parameters, reason)
        return _answer(source, limit, is_plan=statement.opening is Opening.EXPLAIN)
    with discreet(private):  # the planner runs functions whose result is a constant
        async with session_path(connection):
            await _check_wrapped(connection, prepared)
            if cost is not None:
                bound = "" if limit is None else f" LIMIT {limit + 1:d}"
                await cost.check(connection, f"SELECT * {_tail(prepared)}{bound}", parameters)
        traced = await trace(connection, prepared, parameters, inside, masks)
    fields = _fields(prepared.columns, traced)
    await restore_path(connection)  # for the statement itself, which is all that follows
    return _answer(Source(fields, _tail(prepared), parameters), limit, private=private)


def _answer(
    source: Source, limit: int | None, *, is_plan: bool = False, private: bool = False
) -> Answer[QueryResult]:
    headers = tuple(
        Header(name=f.name, type=f.type, masked=f.masked, reason=f.reason) for f in source.fields
    )
    is_lines = is_plan and all(field.leaf == "text" for field in source.fields)
    return Answer(
        source, QueryResult(headers=headers, limit=limit, is_plan=is_lines), limit, private
    )


def _fields(columns: Sequence[tuple[str, Type]], traced: Traced) -> tuple[Field, ...]:
    """Return the columns of `_ALIAS`; a name that comes again gets a number."""
    fields: list[Field] = []
    names = [name for name, _ in columns]
    taken: set[str] = set()
    for number, ((name, type_), reason) in enumerate(
        zip(columns, traced.reasons, strict=True), start=1
    ):
        unique, again = name, 1
        while unique in taken or (again > 1 and unique in names):
            again += 1
            unique = f"{name}_{again}"
        taken.add(unique)
        fields.append(
            Field(
                name=unique,
                type=type_.type,
                leaf=type_.leaf,
                is_array=type_.is_array,
                sql=f"{_ALIAS}.c{number}",
                masked=reason is not None,
                reason=reason,
                keys=traced.keys(type_.leaf) if reason is None else None,
            )
        )
    return tuple(fields)


def _tail(prepared: Prepared) -> str:
    """Return the statement as a relation; a comment at its end must not take the bracket along."""
    names = ", ".join(f"c{number}" for number in range(1, len(prepared.columns) + 1))
    return f"FROM (\n{prepared.text}\n) AS {_ALIAS}" + (f" ({names})" if names else "")


async def _check_wrapped(connection: asyncpg.Connection[Any], prepared: Prepared) -> None:
    """Let the server parse what is going to be read.

    Raises UsageError where a statement that it takes alone cannot be read as a relation.
    """
    try:
        await connection.prepare(f"SELECT 1 {_tail(prepared)}", name="")
    except asyncpg.PostgresError as error:
        raise misunderstood(error) from error


async def _told(
    connection: asyncpg.Connection[Any],
    prepared: Prepared,
    parameters: tuple[str | None, ...],
    reason: str | None,
) -> Source:
    """Return what SHOW or EXPLAIN tell, which cannot be a subquery, as rows like any other's.

    With a `reason`, they are masked.
    """
    try:
        async with session_path(connection):
            records = await connection.fetch(prepared.text, *parameters)
    except _READ_ONLY as error:
        raise RefusedError(
            first_line(error), hint="inspect only reads.", code=ErrorCode.NOT_READ_ONLY
        ) from error
    fields = _fields(prepared.columns, Traced([reason] * len(prepared.columns)))
    numbers = range(1, len(fields) + 1)
    lists = ", ".join(f"pg_catalog.unnest(${number}::pg_catalog.text[])" for number in numbers)
    names = ", ".join(f"c{number}" for number in numbers)
    typed = tuple(_read_as(field) for field in fields)
    values = tuple([record[at] for record in records] for at in range(len(fields)))
    return Source(typed, f"FROM ROWS FROM ({lists}) AS {_ALIAS} ({names})", values)


def _read_as(field: Field) -> Field:
    if field.leaf in {"text", ""}:
        return field
    return replace(field, sql=f"CAST({field.sql} AS pg_catalog.{quote(field.leaf)})")
