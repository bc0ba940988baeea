"""What a command asks of one relation: which columns are shown, and which rows are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, Relation, columns_of, fetch, find_column, resolve
from dbctl.db.names import parse_columns
from dbctl.inspect.data.conditions import Filter, check, filter_of, parse_condition
from dbctl.inspect.data.results import Header
from dbctl.inspect.data.source import Field, has_keys
from dbctl.inspect.masking import NOTHING_MASKED, Masks
from dbctl.inspect.query.guard import guard_relation
from dbctl.inspect.sensitive.keys import KeyRule, key_rule

# What shows what is kept elsewhere.
_DERIVED = frozenset({"view", "materialized view", "foreign table"})


class Parameters:
    """The values that a statement binds, in their order."""

    def __init__(self) -> None:
        self._values: list[object] = []

    def bind(self, value: object) -> str:
        """Add a value and return its `$n`."""
        self._values.append(value)
        return f"${len(self._values)}"

    @property
    def values(self) -> tuple[object, ...]:
        """All that were bound."""
        return tuple(self._values)


@dataclass(frozen=True, slots=True)
class Selection:
    """A relation with its `columns`, the `fields` to show of them, and the filters of its rows.

    Where it is `private`, an error of its own expressions may hold a value that is masked.
    """

    relation: Relation
    columns: list[Column]
    fields: tuple[Field, ...]
    filters: tuple[Filter, ...] = ()
    private: bool = False

    @property
    def headers(self) -> tuple[Header, ...]:
        """The fields as a result tells of them."""
        return tuple(
            Header(
                name=field.name,
                type=field.type,
                primary_key=field.primary_key,
                masked=field.masked,
                reason=field.reason,
            )
            for field in self.fields
        )

    def source(self, parameters: Parameters, *conditions: str, sampled: str = "") -> str:
        """Return FROM and WHERE: the filters, and further conditions in SQL."""
        parts = [
            *self.relation.conditions,
            *(one.sql(parameters.bind) for one in self.filters),
            *conditions,
        ]
        where = f" WHERE {' AND '.join(parts)}" if parts else ""
        return f"FROM {self.relation.sql}{sampled}{where}"


async def select(
    connection: asyncpg.Connection[Any],
    name: str,
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    masks: Masks,
) -> Selection:
    """Find the relation that `name` means, and in it what `columns` and `where` name, as typed.

    Raises UsageError for a name that is not there, an operator that a column's type lacks, and a
    value that it cannot hold; RefusedError where reading it would do more than read.
    """
    wanted = parse_columns(columns)
    conditions = [parse_condition(text) for text in where]
    relation = await resolve(connection, name)
    await guard_relation(connection, relation, [one.operator for one in conditions])
    known = await columns_of(connection, relation)
    if any(column.leaf.startswith("reg") for column in known):
        relation = replace(relation, calls_functions=True)
    found = (find_column(relation, known, name) for name in wanted)
    shown = list(dict.fromkeys(found)) or known
    filters = [
        filter_of(find_column(relation, known, one.column), one.operator, one.value)
        for one in conditions
    ]
    for one in filters:
        await check(connection, one)
    return Selection(
        relation,
        known,
        await fields_of(connection, relation, shown, masks),
        tuple(filters),
        private=_is_derived(relation) and masks != NOTHING_MASKED,
    )


async def fields_of(
    connection: asyncpg.Connection[Any],
    relation: Relation,
    columns: Sequence[Column],
    masks: Masks,
) -> tuple[Field, ...]:
    """Return what reads the columns, without the values of those that `masks` hide.

    The columns of a partition, and of a table that inherits, are hidden as those of its parents, a
    view's and generated ones as those that they come from.
    """
    names = [(relation.schema, relation.name)]
    origins: Mapping[str, str] = {}
    traced = None
    if any(column.inherited for column in columns):
        rows = await fetch(connection, "inspect.data", "ancestors", relation=relation.oid)
        names += [(row["schema"], row["name"]) for row in rows]
    if _is_derived(relation) or any(map(_has_parts, columns)):
        from dbctl.inspect.data.derived import masked_origins

        origins, traced = await masked_origins(connection, relation, masks)

    def reason(column: Column) -> str | None:
        told = (masks.reason(*name, column.name, column.type) for name in names)
        return next(filter(None, told), None) or origins.get(column.name)

    def keys(column: Column) -> KeyRule | None:
        if traced is not None and _is_derived(relation) and relation.kind != "foreign table":
            return traced.keys(column.leaf)
        return key_rule(masks, (column.name,)) if has_keys(column.leaf) else None

    return tuple(Field.of(column, reason=reason(column), keys=keys(column)) for column in columns)


def _has_parts(column: Column) -> bool:
    """Return whether a column is made of others, or its type may have fields."""
    return bool(column.generated) or not (column.leaf or column.labels or column.subtype)


def _is_derived(relation: Relation) -> bool:
    # The system's own tables have samples of others, and secrets that no name tells of.
    return relation.kind in _DERIVED or relation.schema == "pg_catalog"
