"""Why rows were not taken, put into words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import asyncpg

from dbctl.db.failures import first_line
from dbctl.db.tables import Table
from dbctl.errors import ErrorCode, OperationFailed

NOTHING_WRITTEN = "Nothing was written."

_NUMBER = re.compile(r"\d+")
_HINTS = {
    "0A000": "Name the table that the rows end in, and connect as a role that no policy binds.",
    "23502": "The column takes no null.",
    "23503": "The row that it refers to has to be there first.",
    "23505": "A row with this key is there already, or comes twice.",
    "23514": "The values do not satisfy the constraint, or no partition takes them.",
    "42501": "Grant the privilege to this role, or connect as the owner.",
    "53100": "The server's disk is full.",
    "55P03": "Another session holds a lock on it; try again, or end that session.",
}


class CopyRefused(OperationFailed):
    """The rows of a table were not taken, and so none were written.

    `row` is the index, from 0, of the one at fault among those that were sent, where it is known.
    """

    code = ErrorCode.QUERY_FAILED

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str,
        hint: str | None = None,
        code: ErrorCode | None = None,
        row: int | None = None,
        column: str | None = None,
        constraint: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(
            message, hint=f"{hint} {NOTHING_WRITTEN}" if hint else NOTHING_WRITTEN, code=code
        )
        self.sqlstate = sqlstate
        self.row = row
        self.column = column
        self.constraint = constraint
        self.detail = detail


def refused(
    error: asyncpg.PostgresError,
    table: Table,
    *,
    relation: str | None = None,
    hints: Mapping[str, str] | None = None,
) -> CopyRefused:
    """Describe why the server refused rows of `table`.

    `relation` is what they were copied into, `hints` what helps, by SQLSTATE, better than usual.
    """
    state = error.sqlstate or "XX000"
    row, column = _place(error.context or "", relation or table.relation.name, table)
    column = error.column_name or column
    detail = first_line(Exception(error.detail)) if error.detail else None
    where = ", ".join(
        [
            table.label,
            *([f"row {row + 1}"] if row is not None else []),
            *([f"column {column}"] if column is not None else []),
        ]
    )
    said = f"{first_line(error)}: {detail}" if detail else first_line(error)
    return CopyRefused(
        f"{where}: {said} (SQLSTATE {state})",
        sqlstate=state,
        hint=(hints or {}).get(state) or error.hint or _HINTS.get(state),
        code=ErrorCode.LOCK_TIMEOUT if state == "55P03" else None,
        row=row,
        column=column,
        constraint=error.constraint_name,
        detail=detail,
    )


def not_encodable(
    table: Table, row: int, column: str | None, value: object, reason: str
) -> CopyRefused:
    """Describe why a value cannot be one of its column's type."""
    where = f"{table.label}, row {row + 1}"
    if column is not None:
        kind = type(value).__name__
        where = f"{where}, column {column} ({table.column(column).type} from {kind})"
    return CopyRefused(f"{where}: {reason}", sqlstate="22000", row=row, column=column)


def _place(context: str, relation: str, table: Table) -> tuple[int | None, str | None]:
    """Read row, from 0, and column off the context of an error, whatever the server's language."""
    for line in context.splitlines():
        before, found, after = line.partition(relation)
        number = _NUMBER.search(after)
        if not found or number is None or "COPY" not in before + after:
            continue
        named = after[number.end() :].partition(":")[0]
        column = next((c.name for c in table.columns if named.endswith(f" {c.name}")), None)
        return int(number[0]) - 1, column
    return None, None
