"""What the database knows about its relations: names resolved, columns with their types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from dbctl.db.names import (
    Name,
    choose,
    listed,
    parse_relation,
    quote,
    suggestion,
    typed,
)
from dbctl.db.queries import inlined, positional, positional_together
from dbctl.db.round_trip import Reader
from dbctl.db.search_path import ON_SESSION_PATH
from dbctl.errors import ErrorCode, UsageError

if TYPE_CHECKING:  # what reads with the driver alone starts in half the time
    from sqlalchemy.ext.asyncio import AsyncConnection

    # A connection of the engine's, one of the driver's, or what asks on one in its own time.
    type Connection = AsyncConnection | asyncpg.Connection[Any] | Reader

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
# What a relation that is read is called in its statement.
ALIAS = "r"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or what can be read like one.

    It `calls_functions` where reading it may run such as were written for the path of the session:
    those of a view, or of policies; or such as write names as they are on it (regclass).
    """

    oid: int
    schema: str
    name: str
    kind: str
    calls_functions: bool = False

    @property
    def label(self) -> str:
        """The name that a user types for it."""
        return f"{typed(self.schema)}.{typed(self.name)}"

    @property
    def sql(self) -> str:
        """What goes into FROM: the name, quoted, under the alias that its columns bear."""
        return f"{quote(self.schema)}.{quote(self.name)} AS {ALIAS}"

    @property
    def conditions(self) -> list[str]:
        """What a statement that reads it has in its WHERE, first of all."""
        return [ON_SESSION_PATH] if self.calls_functions else []


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what its type comes down to.

    `type` is PostgreSQL's name for it, `sql_type` the same with its schema. `base_schema` and
    `base_name` name the type below every domain, `leaf` the built-in type below the first array as
    well; it is empty for types that are not built in. `comparable` is whether the type has an
    equality. `length` counts characters or bits, `precision` and `scale` decimal digits; None is no
    limit. `subtype` is what a range is one of, `sequence` the quoted name of the sequence that the
    column owns. `key_position` counts from 1. `inherited` is whether a parent has the column
    too, `deterministic` whether its collation takes only what is the same to the byte for equal.
    The operators that compare the base type are in `operator_schema`.
    """

    name: str
    type: str
    base_schema: str
    base_name: str
    leaf: str
    is_array: bool
    comparable: bool
    labels: tuple[str, ...]
    length: int | None
    precision: int | None
    scale: int | None
    subtype: str | None
    domain_checks: tuple[str, ...]
    nullable: bool
    expression: str | None
    identity: str | None
    generated: str | None
    sequence: str | None
    comment: str | None
    key_position: int | None
    inherited: bool = False
    deterministic: bool = True
    operator_schema: str = "pg_catalog"
    sql_type: str = ""

    @property
    def sql(self) -> str:
        """The column as SQL; a bare name in ORDER BY would mean what is selected under it."""
        return f"{ALIAS}.{quote(self.name)}"

    def operator(self, sign: str) -> str:
        """Return an operator that compares values of the base type, whatever the search_path."""
        return f"operator({quote(self.operator_schema)}.{sign})"

    @property
    def base_sql(self) -> str:
        """The base type as SQL; without length or precision, which would cut values silently."""
        return f"{quote(self.base_schema)}.{quote(self.base_name)}"


async def fetch(
    connection: Connection, room: str, name: str, /, **parameters: Any
) -> list[Mapping[str, Any]]:
    """Run the catalogue query `name` of `room`; a Reader returns the values that JSON has."""
    if isinstance(connection, Reader):
        return await connection.rows(inlined(room, name, **parameters))
    statement, names = positional(room, name)
    values = tuple(parameters[name] for name in names)
    if isinstance(connection, asyncpg.Connection):
        return list(await connection.fetch(statement, *values))
    result = await connection.exec_driver_sql(statement, values)
    return [dict(row) for row in result.mappings()]


async def fetch_together(
    connection: AsyncConnection, room: str, *queries: str, **parameters: Any
) -> Mapping[str, list[dict[str, Any]]]:
    """Run several catalogue queries of `room` in one round trip; return the rows of each."""
    statement, names = positional_together(room, *queries)
    values = tuple(parameters[name] for name in names)
    found = (await connection.exec_driver_sql(statement, values)).scalar_one()
    return {name: rows or [] for name, rows in json.loads(found).items()}


def kind_of(row: Mapping[str, Any]) -> str:
    """Put the kind of a relation into a word; a partition is one, whatever it is made of."""
    if row["is_partition"] and row["relkind"] in {"r", "p"}:
        return "partition"
    return KINDS[row["relkind"]]


async def resolve(connection: Connection, name: str) -> Relation:
    """Find the relation that `name` means: as PostgreSQL would, and a little more forgiving.

    Unquoted names are folded to lower case; failing that, the only one that differs in case is
    taken. Without a schema the search_path comes first, then any other schema that is not the
    system's. Raises UsageError with the nearest names where there is none, with the candidates
    where there are several.
    """
    *schemas, table = parse_relation(name)
    schema = schemas[0] if schemas else None
    rows = await _called(connection, schema, table.text)
    if not rows and not table.quoted and not table.text.isascii():  # of which SQL folds no letter
        known = await fetch(connection, "db", "relation_names", schema=None)
        for found_name in choose(table, {row["name"] for row in known}):
            rows += await _called(connection, schema, found_name)
    if schema is not None:
        meant = choose(schema, {row["schema"] for row in rows})
        rows = [row for row in rows if row["schema"] in meant]
    meant = choose(table, {row["name"] for row in rows})
    rows = [row for row in rows if row["name"] in meant]
    on_path = [row for row in rows if row["position"] is not None]
    if on_path and len({row["name"] for row in on_path}) == 1:
        rows = [min(on_path, key=lambda row: row["position"])]
    if not rows:
        raise await _unknown(connection, schema, table)
    found = [
        Relation(row["oid"], row["schema"], row["name"], kind_of(row), row["calls_functions"])
        for row in rows
    ]
    if len(found) > 1:
        raise UsageError(
            f"{name!r} is ambiguous: it may mean {listed([one.label for one in found], 'or')}",
            hint="Write the one that is meant, with its schema and as it is quoted here.",
        )
    return found[0]


async def _called(
    connection: Connection, schema: Name | None, name: str
) -> list[Mapping[str, Any]]:
    return await fetch(
        connection, "db", "relations", name=name, schema=schema.text if schema else None
    )


async def _unknown(connection: Connection, schema: Name | None, table: Name) -> UsageError:
    rows = await fetch(connection, "db", "relation_names", schema=schema.folded if schema else None)
    labels = []
    for row in rows:
        label = f"{typed(row['schema'])}.{typed(row['name'])}"
        labels.append(typed(row["name"]) if row["on_path"] and schema is None else label)
    name = f"{schema}.{table}" if schema else str(table)
    hint = suggestion(name, labels, "`dbctl inspect tables` lists what there is.")
    return UsageError(f"there is no table or view {name}", hint=hint, code=ErrorCode.NOT_FOUND)


async def columns_of(connection: Connection, relation: Relation) -> list[Column]:
    """Return the columns of a relation in their order."""
    rows = await fetch(connection, "db", "columns", relation=relation.oid)
    return [_column(dict(row)) for row in rows]


def _column(values: dict[str, Any]) -> Column:
    lists = {name: tuple(values[name]) for name in ("labels", "domain_checks")}
    return Column(**values | lists)


def key_of(columns: list[Column]) -> list[Column]:
    """Return the primary key in its order; empty where there is none."""
    keyed = [(c.key_position, c) for c in columns if c.key_position is not None]
    return [column for _, column in sorted(keyed, key=lambda pair: pair[0])]


def find_column(relation: Relation, columns: list[Column], name: Name) -> Column:
    """Return the column that `name` means.

    Raises UsageError with the nearest names where there is none, with the candidates where
    several differ in case only.
    """
    meant = choose(name, (column.name for column in columns))
    if len(meant) > 1:
        raise UsageError(
            f"{name} is ambiguous in {relation.label}: it may mean "
            f"{listed([quote(candidate) for candidate in meant], 'or')}",
            hint="Write the one that is meant in its double quotes.",
        )
    if not meant:
        names = [typed(column.name) for column in columns]
        has = f"It has {listed(names)}." if names else "It has no columns."
        raise UsageError(
            f"{relation.label} has no column {name}",
            hint=suggestion(name.text, names, has),
            code=ErrorCode.NOT_FOUND,
        )
    return next(column for column in columns if column.name == meant[0])
