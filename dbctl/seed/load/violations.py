"""Rows of a stage that the constraints of the table would refuse, found without trying them.

The server reports one row at a time, and often not which. What only it can judge, exclusion
constraints and triggers, is in `bisection`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.names import listed, quote
from dbctl.db.search_path import EMPTY_PATH, ON_SESSION_PATH
from dbctl.db.tables import ForeignKey, Unique
from dbctl.seed.bulk.encoding import takes_text
from dbctl.seed.bulk.stage import ROW
from dbctl.seed.load.bisection import is_of_rows
from dbctl.seed.load.layout import MARKS
from dbctl.seed.load.request import OnConflict
from dbctl.seed.load.staging import Staging, operator_of, over, same

_QUOTED = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that rows may break: a condition on `c`, a row as the table would have it.

    `columns` are what it is about, `reason` what is to be said of a row. With `repeats`, deleting
    rows may have others break it. With `as_sent` the condition is on `s`, the row of the stage.
    """

    columns: tuple[str, ...]
    reason: str
    condition: str
    repeats: bool = False
    as_sent: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A row that breaks a rule: its number in the stage, and what it has as the text of JSON."""

    row: int
    record: str
    violation: Violation


class Judge:
    """Find the rows of `staging` that break a rule of its table."""

    def __init__(self, staging: Staging, on_conflict: OnConflict) -> None:
        self._staging = staging
        self._table = staging.table
        self._on_conflict = on_conflict

    async def remove(self, connection: AsyncConnection) -> AsyncIterator[Found]:
        """Delete the rows that break a rule from the stage and yield them."""
        for violation in self._all(await _version(connection)):
            while True:
                count = 0
                async for found in self._judged(connection, violation, delete=True):
                    count += 1
                    yield found
                if not (count and violation.repeats):
                    break

    async def find(self, connection: AsyncConnection) -> AsyncIterator[Found]:
        """Yield the rows that break a rule, each rule's in their order."""
        for violation in self._all(await _version(connection)):
            async for found in self._judged(connection, violation, delete=False):
                yield found

    async def _judged(
        self, connection: AsyncConnection, violation: Violation, *, delete: bool
    ) -> AsyncIterator[Found]:
        """Yield the rows that break a rule; none more where its own expression fails on a row.

        A CHECK that divides by what a row has cannot be asked of all rows at once.
        """
        await connection.exec_driver_sql("savepoint dbctl_rule")
        try:
            async for found in self._query(connection, violation, delete=delete):
                yield found
        except (DBAPIError, asyncpg.PostgresError) as error:  # the latter while rows are fetched
            if not is_of_rows(error):
                raise
            await connection.exec_driver_sql("rollback to savepoint dbctl_rule")
        await connection.exec_driver_sql("release savepoint dbctl_rule")

    async def _query(
        self, connection: AsyncConnection, violation: Violation, *, delete: bool
    ) -> AsyncIterator[Found]:
        stage, row = self._staging.stage.sql, quote(ROW)
        if violation.as_sent:
            broken = f"select s.{row} from {stage} s where {violation.condition}"  # noqa: S608
        else:
            broken = f"select c.{row} from ({self._complete()}) c "  # noqa: S608
            broken += f"where {ON_SESSION_PATH} and ({violation.condition})"
        if delete:
            statement = f"delete from {stage} d where d.{row} in ({broken})"  # noqa: S608
            statement += f" returning d.{row}, pg_catalog.row_to_json(d.*)::pg_catalog.text"
        else:
            statement = f"select d.{row}, pg_catalog.row_to_json(d.*)::pg_catalog.text "
            statement += f"from {stage} d where d.{row} in ({broken}) order by 1"
        try:
            async with connection.stream(text(_escaped(statement))) as result:
                async for number, record in result:
                    yield Found(number, record, violation)
        finally:
            with suppress(DBAPIError):  # of a transaction that has failed
                await connection.exec_driver_sql(EMPTY_PATH)

    def _all(self, version: int) -> Iterator[Violation]:
        if version >= 160000:
            yield from self._unreadable()
        yield from self._nulls()
        yield from self._domains()
        for check in self._table.checks:
            yield Violation(
                check.columns,
                f"does not satisfy {check.name}: {check.expression}",
                f"{over(check.expression, self._columns('c'))} is false",
            )
        for unique in self._table.uniques:
            if unique is self._staging.key and self._on_conflict is OnConflict.UPDATE:
                continue
            if self._on_conflict is OnConflict.SKIP and self._staging.key in {None, unique}:
                continue
            yield from self._duplicates(unique)
        for key in self._table.foreign_keys:
            yield self._orphans(key)

    def _columns(self, alias: str) -> dict[str, str]:
        return {column.name: f"{alias}.{quote(column.name)}" for column in self._table.columns}

    def _complete(self) -> str:
        """Return the query for the rows as the table would have them, with their numbers."""
        staging, layout = self._staging, self._staging.layout
        updating = self._on_conflict is OnConflict.UPDATE
        values = [f"s.{quote(ROW)}"]
        for column in self._table.writable:
            value = staging.known_value(column.name)
            if updating:
                mine = "t." + quote(column.name)
                if column.name not in layout.present or layout.lacks_everywhere(column.name):
                    value = f"case when t.tableoid is not null then {mine} else {value} end"
                elif layout.lacking(column.name):
                    marked = f"t.tableoid is not null and {staging.marked(column.name)}"
                    value = f"case when {marked} then {mine} else {value} end"
            values.append(f"{value} as {quote(column.name)}")
        values.append(f"s.{quote(MARKS)}" if MARKS in staging.stage.columns else "null::int2[]")
        values[-1] += f" as {quote(MARKS)}"
        values.append(
            "t.tableoid as dbctl_table, t.ctid as dbctl_place"
            if updating
            else "null::oid as dbctl_table, null::tid as dbctl_place"
        )
        source = f"{staging.stage.sql} s"
        if updating:
            source += f" left join {self._table.sql} t on {staging.matches()}"
        complete = f"select {', '.join(values)} from {source}"  # noqa: S608 - quoted
        given = {column.name: f"g.{quote(column.name)}" for column in self._table.writable}
        if generated := staging.generated(given):
            values = [f"{value} as {quote(name)}" for name, value in generated.items()]
            complete = f"select g.*, {', '.join(values)} from ({complete}) g"  # noqa: S608
        return complete

    def _unreadable(self) -> Iterator[Violation]:
        """Yield what text the server cannot read; the rest would fail on such."""
        for name in self._staging.layout.present:
            column = self._table.column(name)
            if takes_text(column):
                value, kind = f"s.{quote(name)}", column.base_sql.replace("'", "''")
                yield Violation(
                    (name,),
                    f"is no {column.type}",
                    f"{value} is not null and not pg_catalog.pg_input_is_valid({value}, '{kind}')",
                    as_sent=True,
                )

    def _nulls(self) -> Iterator[Violation]:
        """Yield what was left out and is needed after all: in rows that are not there yet."""
        if self._on_conflict is not OnConflict.UPDATE:
            return
        for column in self._table.writable:
            if not column.nullable and column.expression is None and column.identity is None:
                yield Violation(
                    (column.name,),
                    "is missing, and no row with this key is there that has it",
                    f"c.{quote(column.name)} is null",
                )

    def _domains(self) -> Iterator[Violation]:
        for column in self._table.writable:
            if column.is_array:
                continue
            for check in column.domain_checks:
                expression = check.removeprefix("CHECK ").removesuffix(" NOT VALID")
                yield Violation(
                    (column.name,),
                    f"does not satisfy {expression}",
                    f"({_with_value(expression, f'c.{quote(column.name)}')}) is false",
                )

    def _duplicates(self, unique: Unique) -> Iterator[Violation]:
        """Yield the rows whose key an earlier one has, then those whose key the table has."""
        named = tuple(name for name in unique.columns if name is not None)
        what = listed(unique.expressions)
        mine = self._parts(unique, "c")
        given = [] if unique.nulls_are_equal else [f"{part} is not null" for part in mine]
        if unique.predicate:
            given.append(over(unique.predicate, self._columns("c")))
        condition = " and ".join(given) or "true"
        row = f"c.{quote(ROW)}"
        yield Violation(
            named,
            f"has the same {what} as a row before it ({unique.name})",
            f"c.{quote(ROW)} in (select r.place from (select {row} as place, row_number() over "  # noqa: S608
            f"(partition by {', '.join(mine)} order by {row}) as turn "
            f"from ({self._complete()}) c where {condition}) r where r.turn > 1)",
        )
        theirs = self._parts(unique, "o")
        pairs = [
            same(self._table, name, *pair, nulls=unique.nulls_are_equal)
            for name, *pair in zip(unique.columns, theirs, mine, strict=True)
        ]
        if unique.predicate:
            pairs.append(over(unique.predicate, self._columns("o")))
        yield Violation(
            named,
            f"is in the table already, as its {what} ({unique.name})",
            f"{condition} and exists (select from {self._table.sql} o where {' and '.join(pairs)} "  # noqa: S608
            f"and (o.tableoid, o.ctid) is distinct from (c.dbctl_table, c.dbctl_place))",
        )

    def _parts(self, unique: Unique, alias: str) -> list[str]:
        columns = self._columns(alias)
        return [
            columns[name] if name is not None else over(expression, columns)
            for name, expression in zip(unique.columns, unique.expressions, strict=True)
        ]

    def _orphans(self, key: ForeignKey) -> Violation:
        columns = [f"c.{quote(name)}" for name in key.columns]
        target = f"{quote(key.target_schema)}.{quote(key.target_name)}"
        pairs = [
            f"o.{quote(name)} {operator_of(self._table, own)} c.{quote(own)}"
            for own, name in zip(key.columns, key.target_columns, strict=True)
        ]
        there = f"exists (select from {target} o where " + " and ".join(pairs) + ")"
        is_own = key.target_oid == self._table.relation.oid
        if is_own:
            there += (
                f" or exists (select from ({self._complete()}) o where " + " and ".join(pairs) + ")"
            )
        given = " and ".join(f"{column} is not null" for column in columns)
        condition = f"({given}) and not ({there})"
        if key.match_full and len(columns) > 1:
            nulls = " or ".join(f"{column} is null" for column in columns)
            some = " or ".join(f"{column} is not null" for column in columns)
            condition = f"({condition}) or (({nulls}) and ({some}))"
        return Violation(
            key.columns,
            f"refers to a row that {key.target_name} does not have ({key.name})",
            condition,
            repeats=is_own,
        )


async def _version(connection: AsyncConnection) -> int:
    found = await connection.exec_driver_sql(
        "select pg_catalog.current_setting('server_version_num')::int4"
    )
    return int(found.scalar_one())


def _with_value(expression: str, column: str) -> str:
    """Put a column in the place of VALUE in the check of a domain."""
    parts = _QUOTED.split(expression)
    return "".join(
        part if place % 2 else re.sub(r"\bVALUE\b", lambda _: column, part)
        for place, part in enumerate(parts)
    )


def _escaped(statement: str) -> str:
    return statement.replace(":", "\\:")
