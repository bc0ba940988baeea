"""Rows in a stage: conflicts with the table resolved, then moved there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import Column
from dbctl.db.names import quote
from dbctl.db.search_path import EMPTY_PATH, ON_SESSION_PATH, session_path
from dbctl.db.tables import Table, Unique
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.bulk.stage import ROW, Stage
from dbctl.seed.load.layout import MARKS, StagedLayout
from dbctl.seed.load.request import OnConflict


@dataclass(slots=True)
class Counts:
    """What became of the rows that were sound."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    superseded: int = 0


class Staging:
    """The SQL that moves rows from `stage` into `table`; `key` is what rows conflict by.

    In every statement `s` is a row of the stage and `t` one of the table.
    """

    def __init__(
        self, table: Table, stage: Stage, layout: StagedLayout, key: Unique | None
    ) -> None:
        self.table = table
        self.stage = stage
        self.layout = layout
        self.key = key

    async def move(
        self,
        connection: AsyncConnection,
        on_conflict: OnConflict,
        rows: tuple[int, int] | None = None,
    ) -> Counts:
        """Move the rows into the table, or those from one number to another; return their counts.

        Deferred constraints are checked at once.
        """
        moved = f"s.{quote(ROW)} between {rows[0]} and {rows[1]}" if rows else "true"
        match on_conflict:
            case OnConflict.FAIL:
                counts = Counts(inserted=await write(connection, self._insert(moved)))
            case OnConflict.SKIP:
                total = await self._count(connection, moved)
                statement = f"{self._insert(moved)} on conflict {self._arbiter()}"
                inserted = await write(connection, statement)
                counts = Counts(inserted=inserted, skipped=total - inserted)
            case OnConflict.UPDATE:
                counts = await self._merge(connection, moved)
            case _:
                assert_never(on_conflict)
        async with session_path(connection):  # for triggers
            await run(connection, "set constraints all immediate")
        return counts

    async def analyze(self, connection: AsyncConnection) -> None:
        """Let the server know what the stage is like."""
        await run(connection, f"analyze {self.stage.sql}")

    async def drop_superseded(self, connection: AsyncConnection) -> int:
        """Delete the rows after which another one with the same key comes; return how many."""
        keys = self.key_parts("s")
        keyed = [] if self._nulls_are_equal else [f"{key} is not null" for key in keys]
        condition = " and ".join([*keyed, *self._predicates("s")]) or "true"
        return await run(
            connection,
            f"delete from {self.stage.sql} d using ("  # noqa: S608 - quoted
            f"select s.{quote(ROW)} as place, row_number() over ("
            f"partition by {', '.join(keys)} order by s.{quote(ROW)} desc) as turn "
            f"from {self.stage.sql} s where {condition}) r "
            f"where r.place = d.{quote(ROW)} and r.turn > 1",
        )

    def matches(self) -> str:
        """Return the condition that a row of the table has the key of one of the stage."""
        pairs = zip(self.key_parts("t"), self.key_parts("s"), strict=True)
        assert self.key is not None  # noqa: S101 - asked for where there is one
        matched = [
            same(self.table, name, *pair, nulls=self._nulls_are_equal)
            for name, pair in zip(self.key.columns, pairs, strict=True)
        ]
        return " and ".join([*matched, *self._predicates("t"), *self._predicates("s")])

    def key_parts(self, alias: str) -> list[str]:
        """Return the parts of the key as they are of the row `alias`."""
        assert self.key is not None  # noqa: S101 - asked for where there is one
        columns = {
            column.name: f"{alias}.{quote(column.name)}"
            if alias == "t" or column.name in self.stage.columns
            else f"cast(null as {column.base_sql})"
            for column in self.table.columns
        }
        return [
            columns[name] if name is not None else over(expression, columns)
            for name, expression in zip(self.key.columns, self.key.expressions, strict=True)
        ]

    @property
    def _nulls_are_equal(self) -> bool:
        return self.key is not None and self.key.nulls_are_equal

    def _predicates(self, alias: str) -> list[str]:
        """Return the condition that the row `alias` is in the index of the key, if it is partial.

        A row of the stage has defaults for what it does not have, as it would have in the table.
        """
        if self.key is None or self.key.predicate is None:
            return []
        if alias == "t":
            columns = {column.name: f"t.{quote(column.name)}" for column in self.table.columns}
        else:
            columns = {column.name: self.known_value(column.name) for column in self.table.writable}
            columns |= self.generated(columns)
        return [over(self.key.predicate, columns)]

    def value(self, name: str) -> str:
        """Return what is inserted into a column: what the row has, or else the default."""
        column = self.table.column(name)
        if name not in self.stage.columns:
            return default_of(column) or f"cast(null as {column.base_sql})"
        value = staged_value(column)
        default = default_of(column)
        if name in self.layout.made or default is None or not self.layout.lacking(name):
            return value
        return f"case when {self.marked(name)} then {default} else {value} end"

    def known_value(self, name: str) -> str:
        """Return what a row would have in a column; null where only inserting it makes a value."""
        column = self.table.column(name)
        made_by_server = column.identity is not None or "nextval(" in (column.expression or "")
        if name in self.layout.present:
            value = self.value(name)
            return value.replace(default_of(column) or "null", "null") if made_by_server else value
        if made_by_server or column.expression is None:
            return f"cast(null as {column.base_sql})"
        return f"({column.expression})"

    def generated(self, given: dict[str, str]) -> dict[str, str]:
        """Return the values of the generated columns of a row whose other values are `given`."""
        return {
            column.name: over(column.expression, given)
            for column in self.table.columns
            if column.generated is not None and column.expression is not None
        }

    def marked(self, name: str) -> str:
        """Return the condition that a row does not have the column."""
        if MARKS not in self.stage.columns:
            return "false"
        place = self.layout.columns.index(name)
        return f"coalesce({place} = any (s.{quote(MARKS)}), false)"

    async def _merge(self, connection: AsyncConnection, moved: str) -> Counts:
        """Update the rows that are there and differ, then insert those that are not."""
        total = await self._count(connection, moved)
        updated = await write(connection, update) if (update := self._update(moved)) else 0
        there = f"exists (select from {self.table.sql} t where {self.matches()})"
        inserted = await write(connection, self._insert(f"{moved} and not {there}"))
        return Counts(inserted=inserted, updated=updated, unchanged=total - inserted - updated)

    def _update(self, moved: str) -> str | None:
        """Return the statement for rows that differ, None where there is nothing but the key."""
        assert self.key is not None  # noqa: S101 - asked for where there is one
        names = [
            name
            for name in self.layout.present
            if name not in self.key.columns and name not in self._only_made
        ]
        if not names:
            return None
        changes = []
        differences = []
        for name in names:
            column, value = self.table.column(name), staged_value(self.table.column(name))
            if self.layout.lacking(name):
                value = f"case when {self.marked(name)} then t.{quote(name)} else {value} end"
            changes.append(f"{quote(name)} = {value}")
            is_builtin = column.comparable and column.operator_schema == "pg_catalog"
            compared = "" if is_builtin else "::pg_catalog.text"
            differences.append(f"t.{quote(name)}{compared} is distinct from ({value}){compared}")
        return (
            f"update {self.table.sql} t set {', '.join(changes)} from {self.stage.sql} s "  # noqa: S608
            f"where {ON_SESSION_PATH} and {moved} and {self.matches()} "
            f"and ({' or '.join(differences)})"
        )

    @property
    def _only_made(self) -> set[str]:
        """The columns that no row has: what a model makes for them is for new rows."""
        return {name for name in self.layout.made if self.layout.lacks_everywhere(name)}

    def _insert(self, condition: str) -> str:
        names = self.layout.present or [self.table.writable[0].name]
        targets = ", ".join(map(quote, names))
        values = ", ".join(map(self.value, names))
        overriding = (
            "overriding system value "
            if any(self.table.column(name).identity == "always" for name in names)
            else ""
        )
        return (
            f"insert into {self.table.sql} ({targets}) {overriding}"  # noqa: S608 - quoted
            f"select {values} from {self.stage.sql} s where {ON_SESSION_PATH} and {condition} "
            f"order by s.{quote(ROW)}"
        )

    def _arbiter(self) -> str:
        if self.key is None:
            return "do nothing"
        parts = ", ".join(f"({part})" for part in self.key.expressions)
        where = f" where {self.key.predicate}" if self.key.predicate else ""
        return f"({parts}){where} do nothing"

    async def _count(self, connection: AsyncConnection, moved: str) -> int:
        found = await connection.scalar(
            text(f"select count(*) from {self.stage.sql} s where {moved}")  # noqa: S608 - quoted
        )
        return int(found or 0)


async def write(connection: AsyncConnection, statement: str) -> int:
    """Do what `run` does with a statement that goes `ON_SESSION_PATH`."""
    count = await run(connection, statement)
    await connection.exec_driver_sql(EMPTY_PATH)
    return count


def operator_of(table: Table, name: str | None) -> str:
    """Return the operator that a column is compared by; an expression's is as the server finds."""
    return "=" if name is None else table.column(name).operator("=")


def same(table: Table, name: str | None, left: str, right: str, *, nulls: bool) -> str:
    """Return the condition that two values of a part of a key are; with `nulls`, two nulls too."""
    equal = f"{left} {operator_of(table, name)} {right}"
    return f"({equal} or ({left} is null and {right} is null))" if nulls else equal


async def run(connection: AsyncConnection, statement: str) -> int:
    """Run a statement without parameters and return the number of rows that it touched."""
    result: CursorResult[Any] = await connection.exec_driver_sql(statement)
    return result.rowcount


def staged_value(column: Column) -> str:
    """Return the value of a column of the stage, in the type of the table's below its domains."""
    value = f"s.{quote(column.name)}"
    return f"cast({value} as {column.base_sql})" if takes_text(column) else value


def default_of(column: Column) -> str | None:
    """Return the SQL of what a column has where nothing is given, None for null."""
    if column.identity is not None and column.sequence is not None:
        name = column.sequence.replace("'", "''")
        return f"pg_catalog.nextval('{name}'::pg_catalog.regclass)"
    return f"({column.expression})" if column.expression is not None else None


def over(expression: str, columns: dict[str, str]) -> str:
    """Return an expression of the table's, evaluated where its columns have the values given."""
    values, names = ", ".join(columns.values()), ", ".join(map(quote, columns))
    return f"(select {expression} from (select {values}) as v ({names}))"  # noqa: S608 - the server wrote it
