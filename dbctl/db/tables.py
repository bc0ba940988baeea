"""Tables with all that a row of theirs has to satisfy: columns, keys, checks, references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl.db.catalog import Column, Relation, columns_of, fetch, resolve
from dbctl.db.names import quote
from dbctl.errors import UsageError

if TYPE_CHECKING:
    from dbctl.db.catalog import Connection

_WRITABLE = frozenset({"table", "partitioned table", "partition"})


@dataclass(frozen=True, slots=True)
class Unique:
    """A primary key or a unique index.

    `columns` has None for each expression; `expressions` has the SQL of every part, columns too.
    `predicate` is the SQL of a partial index, and `nulls_are_equal` tells of NULLS NOT DISTINCT.
    """

    name: str
    columns: tuple[str | None, ...]
    expressions: tuple[str, ...]
    predicate: str | None
    nulls_are_equal: bool
    is_primary: bool
    deferrable: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table, or to the same one; `on_delete` is in SQL's words.

    `match_full` tells of MATCH FULL: all of its columns are null, or none.
    """

    name: str
    columns: tuple[str, ...]
    target_oid: int
    target_schema: str
    target_name: str
    target_columns: tuple[str, ...]
    on_delete: str
    deferrable: bool
    match_full: bool


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint: the columns it reads, and its expression as the server writes it."""

    name: str
    columns: tuple[str, ...]
    expression: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An exclusion constraint, whose definition only the server can judge."""

    name: str
    columns: tuple[str | None, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table that rows can be written into."""

    relation: Relation
    columns: tuple[Column, ...]
    uniques: tuple[Unique, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]
    exclusions: tuple[Exclusion, ...]

    @property
    def label(self) -> str:
        """The name that a user types for it."""
        return self.relation.label

    @property
    def sql(self) -> str:
        """The name as SQL, quoted."""
        return f"{quote(self.relation.schema)}.{quote(self.relation.name)}"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key in its order; empty where there is none."""
        return next(
            (tuple(filter(None, key.columns)) for key in self.uniques if key.is_primary), ()
        )

    @property
    def writable(self) -> tuple[Column, ...]:
        """The columns that take a value, which generated ones do not."""
        return tuple(column for column in self.columns if column.generated is None)

    def column(self, name: str) -> Column:
        """Return the column of exactly that name."""
        return next(column for column in self.columns if column.name == name)


async def find_table(connection: Connection, name: str) -> Table:
    """Return the table that `name` means, as `catalog.resolve` finds it.

    Raises UsageError where it means none, several, or something that no rows are written into.
    """
    relation = await resolve(connection, name)
    if relation.kind not in _WRITABLE:
        raise UsageError(
            f"{relation.label} is a {relation.kind}, and rows are written into tables only",
            hint="Name the table that it reads from.",
        )
    return await read_table(connection, relation)


async def read_table(connection: Connection, relation: Relation) -> Table:
    """Read the columns and the constraints of `relation`."""
    columns = await columns_of(connection, relation)
    rows = await fetch(connection, "db", "keys", relation=relation.oid)
    of_kind: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        of_kind.setdefault(row["kind"], []).append(row)
    return Table(
        relation=relation,
        columns=tuple(columns),
        uniques=tuple(map(_unique, [*of_kind.get("primary", ()), *of_kind.get("unique", ())])),
        foreign_keys=tuple(map(_foreign_key, of_kind.get("foreign", ()))),
        checks=tuple(
            Check(row["name"], tuple(row["columns"]), row["definition"])
            for row in of_kind.get("check", ())
        ),
        exclusions=tuple(
            Exclusion(row["name"], tuple(row["columns"]), row["definition"])
            for row in of_kind.get("exclusion", ())
        ),
    )


def _unique(row: Mapping[str, Any]) -> Unique:
    return Unique(
        name=row["name"],
        columns=tuple(row["columns"]),
        expressions=tuple(row["expressions"]),
        predicate=row["predicate"],
        nulls_are_equal=row["nulls_are_equal"],
        is_primary=row["kind"] == "primary",
        deferrable=row["deferrable"],
    )


def _foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        columns=tuple(row["columns"]),
        target_oid=row["target_oid"],
        target_schema=row["target_schema"],
        target_name=row["target_name"],
        target_columns=tuple(row["target_columns"]),
        on_delete=row["on_delete"],
        deferrable=row["deferrable"],
        match_full=row["match_full"],
    )
