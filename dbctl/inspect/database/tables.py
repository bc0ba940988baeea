"""The operations behind `inspect tables` and `inspect table`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, columns_of, fetch, kind_of, resolve
from dbctl.db.names import typed
from dbctl.inspect.database.results import (
    ForeignKey,
    TableColumn,
    TableConstraint,
    TableIndex,
    TableResult,
    TablesResult,
    TableSummary,
)
from dbctl.inspect.reading import STATEMENT_TIMEOUT, reading


async def list_tables(
    connection: asyncpg.Connection[Any], *, statement_timeout: float = STATEMENT_TIMEOUT
) -> TablesResult:
    """List every relation that is not the system's, with the sizes that it has now."""
    async with reading(connection, statement_timeout):
        rows = await fetch(connection, "inspect.database", "tables", relation=None)
        database = await connection.fetchval("SELECT current_database()")
    return TablesResult(
        database=str(database),
        tables=tuple(
            TableSummary(
                schema_name=row["schema"],
                name=row["name"],
                kind=kind_of(row),
                estimated_rows=row["estimated_rows"],
                total_bytes=row["total_bytes"],
                comment=row["comment"],
            )
            for row in rows
        ),
    )


async def describe_table(
    connection: asyncpg.Connection[Any], name: str, *, statement_timeout: float = STATEMENT_TIMEOUT
) -> TableResult:
    """Describe the relation that `name` means.

    Raises UsageError where it means none, or several.
    """
    async with reading(connection, statement_timeout):
        relation = await resolve(connection, name)
        columns = await columns_of(connection, relation)
        (size,) = await fetch(connection, "inspect.database", "tables", relation=relation.oid)
        indexes = await fetch(connection, "inspect.database", "indexes", relation=relation.oid)
        constraints = await fetch(
            connection, "inspect.database", "constraints", relation=relation.oid
        )
        keys = await fetch(connection, "inspect.database", "foreign_keys", relation=relation.oid)
    return TableResult(
        schema_name=relation.schema,
        name=relation.name,
        kind=relation.kind,
        comment=size["comment"],
        estimated_rows=size["estimated_rows"],
        total_bytes=size["total_bytes"],
        table_bytes=size["table_bytes"],
        index_bytes=size["index_bytes"],
        table_columns=tuple(_column(column) for column in columns),
        indexes=tuple(TableIndex(**row) for row in indexes),
        constraints=tuple(TableConstraint(**row) for row in constraints),
        foreign_keys=tuple(_foreign_key(row) for row in keys if row["outgoing"]),
        referenced_by=tuple(_foreign_key(row) for row in keys if row["incoming"]),
    )


def _column(column: Column) -> TableColumn:
    return TableColumn(
        name=column.name,
        type=column.type,
        nullable=column.nullable,
        key=column.key_position,
        default=column.expression,
        identity=column.identity,
        generated=column.generated,
        comment=column.comment,
    )


def _foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        table=f"{typed(row['source_schema'])}.{typed(row['source_name'])}",
        columns=row["source_columns"],
        references=f"{typed(row['target_schema'])}.{typed(row['target_name'])}",
        referenced_columns=row["target_columns"],
        on_update=row["on_update"],
        on_delete=row["on_delete"],
        valid=row["valid"],
    )
