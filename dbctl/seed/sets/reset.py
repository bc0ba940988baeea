"""Delete what a set has created, and nothing that it has not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, cast, literal_column, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column, columns_of, fetch
from dbctl.db.names import listed, quote
from dbctl.db.queries import query
from dbctl.db.search_path import EMPTY_PATH, ON_SESSION_PATH
from dbctl.errors import OperationFailed, RefusedError
from dbctl.seed.sets.faults import OtherSchema
from dbctl.seed.sets.known import RowKey, TableKey, Written, find_table
from dbctl.seed.sets.naturals import Stranger
from dbctl.seed.sets.results import Affected, Change, RowState, SetRow
from dbctl.seed.sets.rows import LABEL_FIELDS

_TEXTS = {"text", "varchar", "bpchar"}
_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT", "a": "NO ACTION", "r": "RESTRICT"}
_BLOCKING = {"NO ACTION", "RESTRICT"}


@dataclass(frozen=True, slots=True)
class Gone:
    """The rows that a reset deleted, the newest first, and what it did to those of others."""

    rows: tuple[SetRow, ...]
    affected: tuple[Affected, ...]


async def reset(connection: AsyncConnection, written: Written, *, cascade: bool) -> Gone:
    """Delete the rows of `written` that the set created and that still exist.

    Runs in the transaction of the caller. Raises RefusedError where rows of others would be deleted
    or changed and `cascade` does not allow it, and OperationFailed where they forbid it.
    """
    await connection.exec_driver_sql(query("seed.sets", "doomed"))
    own: dict[tuple[TableKey, RowKey], SetRow] = {}
    oids: dict[int, TableKey] = {}
    for table in dict.fromkeys(table for table, _ in written.created):
        relation = await find_table(connection, table.name, table.schema)
        if relation is not None:
            oids[relation.oid] = table
            columns = await columns_of(connection, relation)
            keys = [key for one, key in written.created if one == table]
            own |= await _doom(connection, table, relation.oid, columns, keys)
    if not own:
        return Gone((), ())
    affected = await _others(connection, oids)
    blocking = [one for one in affected if one.action in _BLOCKING]
    if blocking:
        raise OperationFailed(
            f"{_told(blocking)} refer to rows of the set, which cannot be deleted before them",
            hint="Delete them, or have them refer to other rows.",
        )
    if affected and not cascade:
        raise RefusedError(
            f"{_told(affected)} are not the set's, and would be deleted or changed with its rows",
            hint="Give --cascade where that is what you want; --plan shows what goes.",
        )
    await _delete(connection, oids, len(own))
    rows = [own[identity] for identity in reversed(written.created) if identity in own]
    return Gone(tuple(rows), tuple(affected))


def kept(stranger: Stranger) -> SetRow:
    """Return how a row is told that is not deleted, as it may be somebody else's."""
    table, key = stranger.identity
    return SetRow(
        table=table.label,
        key=_key_text(table, key),
        label="",
        state=RowState.KEPT,
        changes=tuple(
            Change(column=name, old=old, new=stranger.now[name])
            for name, old in stranger.then.items()
            if old != stranger.now[name]
        ),
    )


def _key_text(table: TableKey, key: RowKey) -> str:
    return ", ".join(f"{n}={v}" for n, v in zip(table.columns, key, strict=True))


def _told(affected: Iterable[Affected]) -> str:
    return listed(
        [
            f"{one.rows} row{'' if one.rows == 1 else 's'} of {one.table} ({one.action})"
            for one in affected
        ]
    )


async def _doom(
    connection: AsyncConnection,
    table: TableKey,
    oid: int,
    columns: list[Column],
    keys: list[RowKey],
) -> dict[tuple[TableKey, RowKey], SetRow]:
    """Lock the rows that still exist, so that nobody refers to them any more, and note them."""
    known = {column.name: column for column in columns}
    if not known.keys() >= {*table.columns}:
        raise OtherSchema(f"{table.label} has no column {', '.join(table.columns)} any more")
    texts = {column.name for column in columns if column.base_name in _TEXTS}
    label = next((name for name in LABEL_FIELDS if name in texts - {*table.columns}), None)
    wanted = ["tableoid", "ctid", *map(quote, table.columns)]
    wanted.append("null" if label is None else quote(label))
    found = await connection.execute(
        select(*(cast(literal_column(sql), Text).label(None) for sql in wanted))
        .select_from(text(table.sql.replace(":", r"\:")))
        .where(table.among(known))
        .with_for_update(),
        table.arrays(keys),
    )
    rows = found.all()
    await connection.execute(
        text(query("seed.sets", "doom")),
        {"rel": oid, "parts": [row[0] for row in rows], "tids": [row[1] for row in rows]},
    )
    return {
        (table, key): SetRow(
            table=table.label,
            key=_key_text(table, key),
            label=called or "",
            state=RowState.DELETED,
        )
        for _, _, *values, called in rows
        for key in [tuple(values)]
    }


async def _others(connection: AsyncConnection, oids: Iterable[int]) -> list[Affected]:
    """Find the rows that are not the set's and refer to rows that go, however far that leads."""
    affected: dict[tuple[str, str], int] = {}
    looked: set[int] = set()
    targets = set(oids)
    keys: list[Mapping[str, Any]] = []
    while new := targets - looked:
        looked |= new
        keys += await fetch(connection, "seed.sets", "references", targets=sorted(new))
        grown = True
        while grown:  # until no cascade leads to another row
            grown = False
            for key in keys:
                if _ACTIONS[key["action"]] == "CASCADE":
                    count = await _count(connection, key, "insert into pg_temp.dbctl_doomed")
                    if count:
                        _add(affected, key, count)
                        targets.add(key["oid"])
                        grown = True
    for key in keys:
        if _ACTIONS[key["action"]] != "CASCADE" and (count := await _count(connection, key)):
            _add(affected, key, count)
    return [Affected(table=t, action=a, rows=n) for (t, a), n in affected.items()]


def _add(affected: dict[tuple[str, str], int], key: Mapping[str, Any], count: int) -> None:
    one = (key["sql"], _ACTIONS[key["action"]])
    affected[one] = affected.get(one, 0) + count


async def _count(
    connection: AsyncConnection, key: Mapping[str, Any], then: str | None = None
) -> int:
    """Count the rows that refer to doomed ones by a foreign key; `then` is what takes them."""
    referring = query("seed.sets", "referring").format(**key)
    if then is not None:
        return (await connection.exec_driver_sql(f"{then} {referring}")).rowcount
    counted = f"select count(*) from ({referring}) r"  # noqa: S608 - the catalogue's, quoted
    return int((await connection.exec_driver_sql(counted)).scalar_one())


async def _delete(connection: AsyncConnection, oids: dict[int, TableKey], expected: int) -> None:
    """Delete the rows of the set in one statement, at whose end the references are checked."""
    parts = ", ".join(
        f"d{oid} as (delete from {table.sql} x using pg_temp.dbctl_doomed d"  # noqa: S608
        f" where {ON_SESSION_PATH} and d.own and d.rel = {oid}"
        " and d.part = x.tableoid and d.tid = x.ctid returning 1)"
        for oid, table in oids.items()
    )
    union = " union all ".join(f"table d{oid}" for oid in oids)
    counted = f"with {parts} select count(*) from ({union}) d"  # noqa: S608
    deleted = (await connection.exec_driver_sql(counted)).scalar_one()
    await connection.exec_driver_sql(EMPTY_PATH)
    if deleted != expected:
        raise OperationFailed(
            f"{expected - deleted} of the set's {expected} rows were not deleted, and the database "
            "said nothing",
            hint="A trigger, a rule or a policy of a table keeps them.",
        )
