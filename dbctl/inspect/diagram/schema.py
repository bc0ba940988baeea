"""What a diagram is made of, wherever it was read: tables, their keys, and what follows of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from dbctl.db.names import choose, parse_relation, suggestion, typed
from dbctl.db.own_names import OWN_TABLES, VERSION_TABLE
from dbctl.errors import ErrorCode, UsageError
from dbctl.inspect.diagram.results import (
    DiagramColumn,
    DiagramResult,
    DiagramTable,
    Relationship,
)

type Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the server, or the models, describe it."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference of some columns to those of a table, which may be the same one."""

    columns: tuple[str, ...]
    target: Identity
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its keys; `uniques` are columns of which no two rows have the same values."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    foreign_keys: tuple[ForeignKey, ...]

    @property
    def identity(self) -> Identity:
        """What it is found by."""
        return self.schema, self.name


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables; names are told without `default`, the schema that needs no mention."""

    tables: tuple[Table, ...]
    default: str

    def label(self, identity: Identity) -> str:
        """Return the name of a table as a user types it."""
        schema, name = identity
        return typed(name) if schema == self.default else f"{typed(schema)}.{typed(name)}"


def draw(
    schema: Schema,
    *,
    names: Sequence[str] = (),
    schemas: Sequence[str] = (),
    neighbours: bool = False,
) -> DiagramResult:
    """Return the diagram of the tables that `names` and `schemas` mean, of all without either.

    With `neighbours`, also what these refer to and what refers to them. The tables of dbctl and
    Alembic are there only by name. Raises UsageError for a name that is not there.
    """
    chosen = _chosen(schema, names, schemas)
    if neighbours:
        links = [(t.identity, key.target) for t in schema.tables for key in t.foreign_keys]
        known = {table.identity for table in schema.tables if not _is_own(table)}
        chosen |= known & {b if a in chosen else a for a, b in links if {a, b} & chosen}
    tables = [table for table in schema.tables if table.identity in chosen]
    return DiagramResult(
        tables=tuple(sorted((_table(schema, t) for t in tables), key=lambda table: table.name)),
        relationships=tuple(sorted(_relationships(schema, tables, chosen), key=_order)),
    )


def _is_own(table: Table) -> bool:
    return table.name in OWN_TABLES | {VERSION_TABLE}


def _chosen(schema: Schema, names: Sequence[str], schemas: Sequence[str]) -> set[Identity]:
    known = {table.schema for table in schema.tables}
    for name in schemas:
        if name not in known:
            raise UsageError(
                f"there is no table in a schema {typed(name)}",
                hint=suggestion(name, known, "`dbctl inspect tables` lists what there is."),
                code=ErrorCode.NOT_FOUND,
            )
    within = [table for table in schema.tables if not schemas or table.schema in schemas]
    if names:
        return {_find(schema, within, name) for name in names}
    return {table.identity for table in within if not _is_own(table)}


def _find(schema: Schema, tables: Iterable[Table], text: str) -> Identity:
    """Return the table that `text` means: of the default schema first, as `resolve` would."""
    *schemas, name = parse_relation(text)
    found = [table.identity for table in tables]
    if schemas:
        meant = choose(schemas[0], {schema for schema, _ in found})
        found = [identity for identity in found if identity[0] in meant]
    meant = choose(name, {table for _, table in found})
    found = [identity for identity in found if identity[1] in meant]
    if len(found) > 1:
        found = [one for one in found if one[0] == schema.default] or found
    if len(found) == 1:
        return found[0]
    labels = [schema.label(table.identity) for table in schema.tables]
    if found:
        raise UsageError(
            f"{text!r} is ambiguous: it may mean {' or '.join(map(schema.label, found))}",
            hint="Write the one that is meant, as it is quoted here.",
        )
    raise UsageError(
        f"there is no table {text}",
        hint=suggestion(text, labels, "Without a name, all tables are drawn."),
        code=ErrorCode.NOT_FOUND,
    )


def _table(schema: Schema, table: Table) -> DiagramTable:
    referring = {name for key in table.foreign_keys for name in key.columns}

    def place(column: Column) -> tuple[int, bool, str]:
        # Where a column stands in its table differs from one database to the next.
        is_key = column.name in table.primary_key
        at = table.primary_key.index(column.name) if is_key else len(table.primary_key)
        return at, column.name not in referring, column.name

    return DiagramTable(
        schema_name=table.schema,
        table=table.name,
        name=schema.label(table.identity),
        columns=tuple(
            DiagramColumn(
                name=column.name,
                type=column.type,
                nullable=column.nullable,
                primary_key=column.name in table.primary_key,
                foreign_key=column.name in referring,
                unique=(column.name,) in table.uniques,
            )
            for column in sorted(table.columns, key=place)
        ),
    )


def _relationships(
    schema: Schema, tables: Iterable[Table], chosen: Collection[Identity]
) -> Iterable[Relationship]:
    for table in tables:
        required = {column.name for column in table.columns if not column.nullable}
        keys = [set(key) for key in (table.primary_key, *table.uniques) if key]
        for foreign_key in table.foreign_keys:
            if foreign_key.target not in chosen:
                continue
            columns = set(foreign_key.columns)
            yield Relationship(
                parent=schema.label(foreign_key.target),
                child=schema.label(table.identity),
                columns=foreign_key.columns,
                referenced_columns=foreign_key.target_columns,
                # A key within these columns makes them unique as well.
                children="zero or one" if any(key <= columns for key in keys) else "zero or more",
                parents="exactly one" if columns <= required else "zero or one",
                identifying=columns <= set(table.primary_key),
            )


def _order(one: Relationship) -> tuple[object, ...]:
    return one.parent, one.child, one.columns, one.referenced_columns
