"""The tables of a set as the database has them, and the rows that earlier runs left there."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Text, TextClause, cast, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column, Relation, columns_of
from dbctl.db.names import quote, typed
from dbctl.db.queries import query
from dbctl.db.search_path import own_path
from dbctl.seed.sets.faults import OtherSchema
from dbctl.seed.sets.rows import Shape

# Their text does not depend on the settings of a session.
_STEADY = {"bool", "int2", "int4", "int8", "uuid", "text", "varchar", "bpchar"}

type RowKey = tuple[str, ...]  # of a primary key, as PostgreSQL writes it
type Natural = Mapping[str, str | None]  # the columns of a natural key, as PostgreSQL writes them


@dataclass(frozen=True, slots=True)
class TableKey:
    """A table of the database and the columns of the primary key by which its rows are kept."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The table as SQL, quoted."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def label(self) -> str:
        """The name that a user types for it."""
        return f"{typed(self.schema)}.{typed(self.name)}"

    def among(self, columns: Mapping[str, Column]) -> TextClause:
        """Return the condition that a row has one of the keys in the arrays `key0`, `key1`, …"""
        left = ", ".join(quote(column) for column in self.columns)
        numbers = range(len(self.columns))
        right = ", ".join(
            f"cast(u.k{number} as {columns[name].sql_type})"
            for number, name in enumerate(self.columns)
        )
        names = ", ".join(f"k{number}" for number in numbers)
        schemas = {columns[name].operator_schema for name in self.columns}
        schema = quote(schemas.pop() if len(schemas) == 1 else "pg_catalog")
        condition = f"({left}) operator({schema}.=) any (select {right} from rows from ("  # noqa: S608
        arrays = ", ".join(f"pg_catalog.unnest(cast(:key{number} as text[]))" for number in numbers)
        # A colon in a name would make a parameter of what follows it.
        return text(condition.replace(":", r"\:") + f"{arrays}) as u ({names}))")

    def rewritten(self, types: Mapping[str, str]) -> TextClause:
        """Return what selects the keys in these arrays, in order, as this session writes them."""
        numbers = range(len(self.columns))
        texts = ", ".join(
            f"cast(cast(u.k{number} as {types[column]}) as text)"
            for number, column in enumerate(self.columns)
        )
        names = ", ".join(f"k{number}" for number in numbers)
        arrays = ", ".join(f"pg_catalog.unnest(cast(:key{number} as text[]))" for number in numbers)
        return text(
            f"select {texts} from rows from ({arrays})"  # noqa: S608 - types
            f" with ordinality as u ({names}, n) order by n"
        )

    def arrays[T](self, keys: Sequence[tuple[T, ...]]) -> dict[str, list[T]]:
        """Return the parameters of `among` and `rewritten`."""
        return {
            f"key{number}": [key[number] for key in keys] for number in range(len(self.columns))
        }


type Identity = tuple[TableKey, RowKey]


@dataclass(slots=True)
class Written:
    """What the runs of a set have left: rows they created, in order, and rows they found.

    `naturals` has the natural keys of those that have another primary key.
    """

    created: list[Identity] = field(default_factory=list)
    found: list[Identity] = field(default_factory=list)
    naturals: dict[Identity, Natural] = field(default_factory=dict)

    @classmethod
    def of(cls, state: Mapping[str, Any] | None) -> Self:
        """Read what `state` returned."""
        if state is None:
            return cls()
        tables = [TableKey(t["schema"], t["name"], tuple(t["key"])) for t in state["tables"]]
        naturals: dict[Identity, Natural] = {}

        def rows(name: str) -> list[Identity]:
            identities = []
            for number, *key in state[name]:
                natural = key.pop() if isinstance(key[-1], dict) else None
                identities.append((tables[number], tuple(key)))
                if natural is not None:
                    naturals[identities[-1]] = natural
            return identities

        return cls(rows("created"), rows("found"), naturals)

    def state(self) -> dict[str, Any]:
        """Return it as the ledger keeps it."""
        tables = list(dict.fromkeys(table for table, _ in [*self.created, *self.found]))
        number = {table: index for index, table in enumerate(tables)}

        def row(identity: Identity) -> list[Any]:
            natural = self.naturals.get(identity)
            return [number[identity[0]], *identity[1], *([] if natural is None else [natural])]

        return {
            "tables": [
                {"schema": t.schema, "name": t.name, "key": list(t.columns)} for t in tables
            ],
            "created": [row(identity) for identity in self.created],
            "found": [row(identity) for identity in self.found],
        }

    def without(self, identities: Collection[Identity]) -> Written:
        """Return it without these rows."""
        return Written(
            [one for one in self.created if one not in identities],
            [one for one in self.found if one not in identities],
            {one: natural for one, natural in self.naturals.items() if one not in identities},
        )

    def keys_of(self, table: TableKey) -> list[RowKey]:
        """Return the keys of the rows in `table`."""
        return [key for one, key in [*self.created, *self.found] if one == table]


type Tables = Mapping[TableKey, Mapping[str, Column]]


async def tables_of(connection: AsyncConnection, written: Written) -> Tables:
    """Return the columns that each table of `written` has now; none where it is not there."""
    tables: dict[TableKey, Mapping[str, Column]] = {}
    for table in dict.fromkeys(table for table, _ in [*written.created, *written.found]):
        relation = await find_table(connection, table.name, table.schema)
        columns = await columns_of(connection, relation) if relation else []
        tables[table] = {column.name: column for column in columns}
    return tables


async def as_written_here(connection: AsyncConnection, written: Written, tables: Tables) -> Written:
    """Return `written` with its keys as this session writes them, whose TimeZone may be another."""
    texts: dict[Identity, Identity] = {}
    for table, columns in tables.items():
        if columns.keys() >= {*table.columns}:
            keys = written.keys_of(table)
            here = await texts_here(connection, table, columns, keys)
            texts |= {(table, key): (table, one) for key, one in zip(keys, here, strict=True)}
    return Written(
        [texts.get(identity, identity) for identity in written.created],
        [texts.get(identity, identity) for identity in written.found],
        {texts.get(identity, identity): one for identity, one in written.naturals.items()},
    )


async def texts_here[T: str | None](
    connection: AsyncConnection,
    table: TableKey,
    columns: Mapping[str, Column],
    texts: Sequence[tuple[T, ...]],
) -> Sequence[tuple[T, ...]]:
    """Return the values of the columns of `table` as this session writes them."""
    if {columns[name].base_name for name in table.columns} <= _STEADY:
        return texts
    types = {name: columns[name].sql_type for name in table.columns}
    found = await connection.execute(table.rewritten(types), table.arrays(texts))
    return [tuple(row) for row in found]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as the database has it: its values by field, and the text of its primary key."""

    values: Mapping[str, Any]
    key: RowKey


async def find_table(
    connection: AsyncConnection, name: str, schema: str | None = None
) -> Relation | None:
    """Return the table that SQL means by that name; None where it is not there."""
    path = quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"
    found = await connection.execute(text(query("seed.sets", "table")), {"name": path})
    row = found.one_or_none()
    return None if row is None else Relation(row.oid, row.schema, row.name, "table")


class KnownTable:
    """A table that a set fills: its columns, and the rows of it that are known so far."""

    def __init__(self, shape: Shape, relation: Relation, columns: Iterable[Column]) -> None:
        self.shape = shape
        self.relation = relation
        self.columns = {column.name: column for column in columns}
        self.key = TableKey(
            relation.schema,
            relation.name,
            tuple(shape.fields[name].name for name in shape.primary),
        )
        self._existing: set[RowKey] = set()
        self._rows: dict[RowKey, Row] = {}
        self._by_fields: dict[tuple[str, ...], dict[tuple[Any, ...], list[RowKey]]] = {}

    @classmethod
    async def open(cls, connection: AsyncConnection, shape: Shape) -> Self:
        """Read the columns from the database.

        Raises FindingError, code `schema_behind`, where it has not what the model describes.
        """
        relation = await find_table(connection, shape.table.name, shape.table.schema)
        if relation is None:
            raise OtherSchema(f"there is no table {shape.label}, which the set fills")
        async with own_path(connection):
            columns = await columns_of(connection, relation)
        lacking = {column.name for column in shape.fields.values()} - {c.name for c in columns}
        if lacking:
            raise OtherSchema(
                f"{relation.label} has no column {', '.join(sorted(lacking))}, which "
                f"{shape.name} describes"
            )
        return cls(shape, relation, columns)

    @property
    def selected(self) -> list[Any]:
        """What a statement has to return for `row`."""
        fields = self.shape.fields
        keys = [cast(fields[name], Text) for name in self.shape.primary]
        return [*fields.values(), *(key.label(None) for key in keys)]

    def row(self, returned: Sequence[Any]) -> Row:
        """Return the row of which a statement returned `selected`, and remember it."""
        count = len(self.shape.fields)
        values = dict(zip(self.shape.fields, returned, strict=False))
        row = Row(values, tuple(returned[count : count + len(self.shape.primary)]))
        if row.key in self._rows:
            self._by_fields.clear()
        for fields, index in self._by_fields.items():
            index.setdefault(tuple(values[name] for name in fields), []).append(row.key)
        self._rows[row.key] = row
        self._existing.add(row.key)
        return row

    async def prefetch(self, connection: AsyncConnection, keys: Sequence[RowKey]) -> None:
        """Read those of the rows with these keys that exist."""
        statement = select(*self.selected).where(self.key.among(self.columns))
        for returned in await connection.execute(statement, self.key.arrays(keys)):
            self.row(returned)

    def has(self, key: RowKey) -> bool:
        """Tell whether a row with that primary key was found or created."""
        return key in self._existing

    def lookup(self, fields: tuple[str, ...], values: tuple[Any, ...]) -> Row | None:
        """Return the one known row with these values; None where there is none, or several.

        None, too, for values that no dict can have as keys: the database has to look.
        """
        if not all(isinstance(value, Hashable) for value in values):
            return None
        if fields not in self._by_fields:
            index: dict[tuple[Any, ...], list[RowKey]] = {}
            for row in self._rows.values():
                index.setdefault(tuple(row.values[f] for f in fields), []).append(row.key)
            self._by_fields[fields] = index
        found = self._by_fields[fields].get(values, [])
        return self._rows[found[0]] if len(found) == 1 else None

    def forget(self) -> None:
        """Forget what the rows hold, which may have been changed."""
        self._rows.clear()
        self._by_fields.clear()
