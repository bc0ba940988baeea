"""The foreign keys of a relation, seen from one of its rows: how to find the other end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from dbctl.db.catalog import ALIAS, Column, Relation, fetch, kind_of
from dbctl.db.names import quote, typed
from dbctl.inspect.data.conditions import exactly
from dbctl.inspect.data.literals import in_quotes
from dbctl.inspect.data.selection import Parameters

# Nobody reads further than that one by one.
COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """A foreign key, seen from the row: `columns` are its own, `other_columns` at the other end.

    `has_parents` tells whether the table there is a partition or inherits.
    """

    name: str
    outgoing: bool
    columns: tuple[str, ...]
    other: Relation
    other_columns: tuple[str, ...]
    other_types: tuple[str, ...]
    has_parents: bool
    indexed: bool


async def links_of(connection: asyncpg.Connection[Any], relation: Relation) -> list[Link]:
    """Return the foreign keys of `relation`, and those that point to it."""
    rows = await fetch(connection, "inspect.data", "links", relation=relation.oid)
    return [
        Link(
            name=row["name"],
            outgoing=row["outgoing"],
            columns=tuple(row["columns"]),
            other=Relation(
                row["oid"], row["schema"], row["relname"], kind_of(row), row["calls_functions"]
            ),
            other_columns=tuple(row["other_columns"]),
            other_types=tuple(row["other_types"]),
            has_parents=row["has_parents"],
            indexed=row["indexed"],
        )
        for row in rows
    ]


def matching(
    own: Mapping[str, Column], link: Link, values: Sequence[str], parameters: Parameters
) -> str:
    """Return FROM and WHERE of the rows at the other end that have the row's values."""
    parts = [
        # As a value of the row's own type: that of the other column may be narrower.
        f"{ALIAS}.{quote(other)} {own[name].operator('=')} "
        f"{exactly(own[name], parameters.bind(value))}"
        for name, other, value in zip(link.columns, link.other_columns, values, strict=True)
    ]
    return f"FROM {link.other.sql} WHERE {' AND '.join([*link.other.conditions, *parts])}"


def counting(
    own: Mapping[str, Column], link: Link, values: Sequence[str | None], parameters: Parameters
) -> str:
    """Return the statement that counts them, as far as anybody wants to know."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):  # nothing refers to NULL
        return "SELECT 0::pg_catalog.int8"
    tail = matching(own, link, known, parameters)
    return f"SELECT pg_catalog.count(*) FROM (SELECT {tail} LIMIT {COUNTED + 1}) s"  # noqa: S608


def row_command(link: Link, key: Sequence[str], values: Sequence[str]) -> str:
    """Return the command that shows the one row at the other end, whose primary key is `key`."""
    if tuple(key) != link.other_columns:
        return rows_command(link, values)
    dashes = ["--"] if any(value.startswith("-") for value in values) else []
    return shlex.join(
        ["dbctl", "inspect", "row", link.other.label, *dashes, *map(in_quotes, values)]
    )


def rows_command(link: Link, values: Sequence[str]) -> str:
    """Return the command that shows the rows at the other end."""
    conditions = [
        f"{typed(name)}={in_quotes(value)}"
        for name, value in zip(link.other_columns, values, strict=True)
    ]
    return shlex.join(["dbctl", "inspect", "rows", link.other.label, *conditions])
