"""Whether a row is still the one that a set has left, or another under the same primary key.

A key that a sequence has made comes again after TRUNCATE … RESTART IDENTITY, for anybody's row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, cast, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column, fetch
from dbctl.db.names import quote
from dbctl.seed.sets.known import (
    Identity,
    Natural,
    RowKey,
    TableKey,
    Tables,
    Written,
    find_table,
    texts_here,
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """A row whose natural key was `then` when the set was written, and is `now`."""

    identity: Identity
    then: Natural
    now: Natural


async def strangers(
    connection: AsyncConnection, written: Written, tables: Tables, *, to_delete: bool
) -> list[Stranger]:
    """Return the rows of `written` that are there, with another natural key than the set's.

    Those whose key refers to such a row are among them. With `to_delete` they are locked, and those
    of which it cannot be told are among them, too.
    """
    groups: dict[tuple[TableKey, tuple[str, ...]], list[RowKey]] = {}
    for (table, key), natural in written.naturals.items():
        groups.setdefault((table, tuple(natural)), []).append(key)
    found: dict[Identity, Stranger] = {}
    for (table, names), keys in groups.items():
        columns = tables[table]
        if not columns.keys() >= {*table.columns}:
            continue
        known = columns.keys() >= {*names}
        if not known and not to_delete:
            continue
        now = await naturals_of(
            connection, table, columns, names if known else (), keys, lock=to_delete
        )
        then = await _as_here(connection, table, columns, names, written, keys) if known else {}
        for key in keys:
            if key in now and now[key] != then.get(key):
                found[table, key] = Stranger((table, key), then.get(key, {}), now[key])
    if found:
        await _follow(connection, written, tables, found, lock=to_delete)
    return [*found.values()]


async def _follow(
    connection: AsyncConnection,
    written: Written,
    tables: Tables,
    found: dict[Identity, Stranger],
    *,
    lock: bool,
) -> None:
    """Add the rows whose key refers to a row of `found`: one that links two, for example."""
    oids: dict[int, TableKey] = {}
    for table, columns in tables.items():
        relation = await find_table(connection, table.name, table.schema)
        if relation is not None and columns.keys() >= {*table.columns}:
            oids[relation.oid] = table
    foreign_keys = await fetch(connection, "seed.sets", "references", targets=[*oids])
    links = [one for one in foreign_keys if one["oid"] in oids]
    before = 0
    while before < len(found):
        before = len(found)
        for link in links:
            table, target = oids[link["oid"]], oids[link["target"]]
            strange = await naturals_of(
                connection,
                target,
                tables[target],
                link["target_columns"],
                [key for one, key in found if one == target],
            )
            keys = [
                key
                for key in written.keys_of(table)
                if {*link["columns"]} <= {*written.naturals.get((table, key), table.columns)}
            ]
            referring = await naturals_of(
                connection, table, tables[table], link["columns"], keys, lock=lock
            )
            to = {tuple(values.values()) for values in strange.values()}
            for key, values in referring.items():
                if tuple(values.values()) in to:
                    found.setdefault((table, key), Stranger((table, key), {}, {}))


async def _as_here(
    connection: AsyncConnection,
    table: TableKey,
    columns: Mapping[str, Column],
    names: tuple[str, ...],
    written: Written,
    keys: Sequence[RowKey],
) -> dict[RowKey, Natural]:
    """Return the natural keys in the record as this session writes them."""
    texts = [tuple(written.naturals[table, key].values()) for key in keys]
    here = await texts_here(connection, TableKey(table.schema, table.name, names), columns, texts)
    return {
        key: dict(zip(names, values, strict=True)) for key, values in zip(keys, here, strict=True)
    }


async def naturals_of(
    connection: AsyncConnection,
    table: TableKey,
    columns: Mapping[str, Column],
    names: Collection[str],
    keys: Sequence[RowKey],
    *,
    lock: bool = False,
) -> dict[RowKey, Natural]:
    """Return the columns `names` of those of the rows with these keys that exist."""
    wanted: list[ColumnElement[str]] = [
        literal_column(quote(name)) for name in (*table.columns, *names)
    ]
    statement = (
        select(*(cast(one, Text).label(None) for one in wanted))
        .select_from(text(table.sql.replace(":", r"\:")))
        .where(table.among(columns))
    )
    rows = await connection.execute(
        statement.with_for_update() if lock else statement, table.arrays(keys)
    )
    count = len(table.columns)
    return {tuple(row[:count]): dict(zip(names, row[count:], strict=True)) for row in rows}
