"""The schema as the database has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from dbctl.db.catalog import fetch
from dbctl.db.queries import query
from dbctl.inspect.diagram.schema import Column, ForeignKey, Schema, Table
from dbctl.inspect.reading import reading


async def read_schema(connection: asyncpg.Connection[Any]) -> Schema:
    """Read every table that is not the system's; the default schema is the first of search_path."""
    async with reading(connection):
        rows = await fetch(connection, "inspect.diagram", "tables")
        default = await connection.fetchval(query("db", "current_schema"))
    return Schema(tuple(map(_table, rows)), str(default or ""))


def _table(row: Mapping[str, Any]) -> Table:
    columns, keys, foreign_keys = (
        json.loads(row[name] or "[]") for name in ("columns", "keys", "foreign_keys")
    )
    return Table(
        schema=row["schema"],
        name=row["name"],
        columns=tuple(Column(*column) for column in columns),
        primary_key=next((tuple(names) for is_primary, names in keys if is_primary), ()),
        uniques=tuple(tuple(names) for is_primary, names in keys if not is_primary),
        foreign_keys=tuple(
            ForeignKey(tuple(names), (schema, table), tuple(targets))
            for names, schema, table, targets in foreign_keys
        ),
    )
