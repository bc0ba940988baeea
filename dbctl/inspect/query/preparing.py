"""A statement as the server takes it: checked, its parameters typed, its columns known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.failures import first_line
from dbctl.db.search_path import session_path
from dbctl.errors import UsageError
from dbctl.inspect.data.literals import array_literal
from dbctl.inspect.query.statement import Statement, positional, shown_at

# PostgreSQL's error classes for what a person wrote: names, syntax, types, what it cannot do.
_WRITTEN = ("42", "0A", "22", "3F", "54")
_UNTYPABLE = "42P18"
# What the driver says of a composite type that it cannot read, and of pg_stats.most_common_vals,
# whose type it does not find.
_UNREADABLE = re.compile(r'cannot decode type ("(?:[^"]|"")+"\."(?:[^"]|"")+")')
_ANYARRAY = "pg_catalog.anyarray"
_NUMBER = re.compile(r"(?<=parameter )\$(\d+)")


@dataclass(frozen=True, slots=True)
class Type:
    """A type; the attributes are those of the query types.sql."""

    oid: int
    type: str
    sql: str
    leaf: str
    is_array: bool
    is_pseudo: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with its columns and the types of its parameters."""

    statement: Statement
    columns: tuple[tuple[str, Type], ...]
    parameters: tuple[Type, ...]

    @property
    def text(self) -> str:
        """The statement, each parameter bound as text and read as its type."""
        return self.statement.with_parameters(
            lambda number: (
                f"CAST(CAST({positional(number)} AS pg_catalog.text)"
                f" AS {self.parameters[number].sql})"
            )
        )


async def prepare(connection: asyncpg.Connection[Any], statement: Statement) -> Prepared:
    """Let the server parse `statement`, which runs nothing of it.

    Raises UsageError that shows where it does not understand it, and for a parameter whose type
    nothing tells.
    """
    try:
        async with session_path(connection):
            prepared = await parsed(connection, statement.with_parameters(positional))
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(_WRITTEN):
            raise
        raise misunderstood(error, statement) from error
    attributes = prepared.get_attributes()
    oids = [one.type.oid for one in attributes]
    oids += [one.oid for one in prepared.get_parameters()]
    rows = await fetch(connection, "inspect.query", "types", oids=oids)
    types = [Type(**row) for row in rows]
    columns = zip((one.name for one in attributes), types, strict=False)
    return Prepared(statement, tuple(columns), tuple(types[len(attributes) :]))


async def parsed(
    connection: asyncpg.Connection[Any], text: str
) -> asyncpg.prepared_stmt.PreparedStatement[Any]:
    """Let the server parse `text`; a column of it may be of a type that the driver cannot read.

    Raises what the driver raises, and UsageError for a type that is not that of a table.
    """
    unreadable: set[str] = set()
    while True:
        try:
            return await connection.prepare(text, name="")
        except asyncpg.InternalClientError:
            type_ = _ANYARRAY
        except asyncpg.UnsupportedClientFeatureError as error:
            found = _UNREADABLE.search(str(error))
            type_ = found[1] if found else ""
        if not type_ or type_ in unreadable:
            raise UsageError(
                f"a column of the result is of a type that cannot be read: {type_}",
                hint="Cast it: CAST(… AS text).",
            )
        unreadable.add(type_)
        oid = await connection.fetchval(
            "SELECT CAST($1 AS pg_catalog.regtype)::pg_catalog.oid", type_
        )
        # The public way takes no type whose parts the driver does not know.
        connection._protocol.get_settings().add_python_codec(
            oid, type_, "", [], "scalar", bytes, bytes, "binary"
        )


def misunderstood(error: asyncpg.PostgresError, statement: Statement | None = None) -> UsageError:
    """Describe what the server does not understand; with `statement`, the place in it."""
    hint = getattr(error, "hint", None) or getattr(error, "detail", None)
    position = getattr(error, "position", None)
    where = ""
    if position and statement:
        place = statement.place(int(position) - 1, positional)
        where = "\n" + shown_at(statement.text, min(place, len(statement.text)))
    if error.sqlstate == _UNTYPABLE:
        hint = "Say which one it has: CAST(:name AS integer)."
    names = statement.names if statement else ()
    told = _NUMBER.sub(lambda found: f":{names[int(found[1]) - 1]}", first_line(error))
    return UsageError(
        f"{told}{where}",
        hint=hint or "`dbctl inspect tables` and `table NAME` tell what there is.",
    )


async def bind(
    connection: asyncpg.Connection[Any], prepared: Prepared, given: Mapping[str, str | None]
) -> tuple[str | None, ...]:
    """Return the values of the parameters, each one that its type takes.

    Raises UsageError where it does not.
    """
    values = []
    for name, type_ in zip(prepared.statement.names, prepared.parameters, strict=True):
        value = given[name]
        if value is not None and type_.is_array:
            value = array_literal(value)
        values.append(value)
        try:
            # Only whether it can be read: the driver could not hold every value itself.
            await connection.fetch(
                f"SELECT CAST(CAST($1 AS pg_catalog.text) AS {type_.sql}) IS NULL",
                value,
            )
        except asyncpg.PostgresError as error:
            if not (error.sqlstate or "").startswith((*_WRITTEN, "23")):
                raise
            raise UsageError(
                f":{name} is of type {type_.type} here and does not take {value!r}",
                hint=f"PostgreSQL says: {first_line(error)}.",
            ) from error
    return tuple(values)
