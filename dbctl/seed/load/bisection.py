"""Rows of a stage that the server refuses for reasons of its own, found by halving their number.

A missing partition, an exclusion constraint, what a trigger raises: only a trial shows it.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.failures import driver_error, sqlstate
from dbctl.db.names import quote
from dbctl.seed.bulk.refusals import CopyRefused, refused
from dbctl.seed.bulk.stage import ROW
from dbctl.seed.load.request import OnConflict
from dbctl.seed.load.staging import Staging

# SQLSTATEs of what can be wrong with a row: its data, a constraint, a policy, a limit, what a
# trigger or a function says.
OF_ROWS = ("21", "22", "23", "2F", "38", "39", "42501", "44", "54", "P0")
_FOREIGN_KEY = "23503"


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row of a stage, by its number, and what the server said of it."""

    row: int
    error: CopyRefused


class Bisection:
    """Try the rows of `staging` in the table, and undo it; at most `limit` refused ones are found.

    Where the table refers to itself, a row may be refused only because the one that it refers to is
    in the other half; whether it is there is looked up in `violations`.
    """

    def __init__(
        self, connection: AsyncConnection, staging: Staging, on_conflict: OnConflict, limit: int
    ) -> None:
        self._connection = connection
        self._staging = staging
        self._on_conflict = on_conflict
        self._limit = limit
        self._found: list[RefusedRow] = []
        table = staging.table
        self._refers_to_itself = any(
            key.target_oid == table.relation.oid for key in table.foreign_keys
        )

    async def refused(self) -> list[RefusedRow]:
        """Return the rows that are refused; none where the statement fails without a row, too."""
        row, stage = quote(ROW), self._staging.stage.sql
        result = await self._connection.execute(
            text(f"select s.{row} from {stage} s order by s.{row}")  # noqa: S608 - quoted
        )
        rows = list(result.scalars())
        await self._run("savepoint dbctl_bisection")
        if rows and await self._try(-1, -1) is None:
            await self._search(rows)
        await self._run("rollback to savepoint dbctl_bisection")
        return self._found

    async def _search(self, rows: list[int]) -> None:
        """Try a range of rows; keep those that are taken, as later rows may collide with them."""
        if len(self._found) >= self._limit:
            return
        error = await self._try(rows[0], rows[-1])
        if error is None or (error.sqlstate == _FOREIGN_KEY and self._refers_to_itself):
            return
        if len(rows) == 1:
            self._found.append(RefusedRow(rows[0], error))
            return
        half = len(rows) // 2
        await self._search(rows[:half])
        await self._search(rows[half:])

    async def _try(self, first: int, last: int) -> CopyRefused | None:
        """Move a range of rows into the table; raise what is not the fault of a row."""
        await self._run("savepoint dbctl_half")
        try:
            await self._staging.move(self._connection, self._on_conflict, (first, last))
        except DBAPIError as error:
            cause = driver_error(error)
            if not is_of_rows(error) or not isinstance(cause, asyncpg.PostgresError):
                raise
            await self._run("rollback to savepoint dbctl_half")
            return refused(cause, self._staging.table)
        await self._run("release savepoint dbctl_half")
        return None

    async def _run(self, statement: str) -> None:
        await self._connection.exec_driver_sql(statement)


def is_of_rows(error: Exception) -> bool:
    """Return whether an error may be about the data of rows."""
    return (sqlstate(error) or "").startswith(OF_ROWS)
