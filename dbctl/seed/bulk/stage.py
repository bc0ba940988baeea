"""Temporary tables that take rows as they come, before anything judges them."""

from __future__ import annotations

from dataclasses import dataclass

from dbctl.db.catalog import Column
from dbctl.db.names import quote
from dbctl.db.tables import Table
from dbctl.seed.bulk.encoding import takes_text

# The column of a stage that numbers its rows from 0, in the order in which they were sent.
ROW = "dbctl_row"


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table of this transaction; `columns` come before `dbctl_row`."""

    name: str
    columns: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The name as SQL, quoted."""
        return f"pg_temp.{quote(self.name)}"


def _staged_type(column: Column) -> str:
    """Return the type, as SQL, of a column of a stage: no domain, no length, no precision."""
    return "pg_catalog.text" if takes_text(column) else column.base_sql


def definition(stage: Stage, table: Table) -> str:
    """Return the statement that makes `stage` for columns of `table`."""
    columns = [f"{quote(name)} {_staged_type(table.column(name))}" for name in stage.columns]
    columns.append(f"{quote(ROW)} pg_catalog.int8")
    return f"create temporary table {quote(stage.name)} ({', '.join(columns)}) on commit drop"


def unload(stage: Stage, table: Table) -> str:
    """Return the statement that moves every row of `stage` to `table`, in their order."""
    targets = ", ".join(quote(name) for name in stage.columns)
    values = ", ".join(_value(table.column(name)) for name in stage.columns)
    return (
        f"insert into {table.sql} ({targets}) overriding system value "  # noqa: S608 - quoted
        f"select {values} from {stage.sql} order by {quote(ROW)}"
    )


def _value(column: Column) -> str:
    if not takes_text(column):
        return quote(column.name)
    return f"cast({quote(column.name)} as {column.base_sql})"
