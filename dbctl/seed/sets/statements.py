"""The statements that look for a row and create it, built once: that takes longer than running."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, cast, insert, select
from sqlalchemy.sql import ClauseElement, Insert

from dbctl.seed.sets import compare
from dbctl.seed.sets.known import KnownTable
from dbctl.seed.sets.rows import Given

type Bound[S] = tuple[S, dict[str, Any]]


class Statements:
    """The statements of one table, each with the parameters of the row that is given."""

    def __init__(self, table: KnownTable) -> None:
        self._table = table
        self._looks: dict[object, Select[Any]] = {}
        self._insert = insert(table.shape.table).returning(*table.selected)

    def look(self, given: Given) -> Bound[Select[Any]]:
        """Select the row that has the key.

        After `KnownTable.selected` it has the text of each compared field, then whether the field
        is as it is given.
        """
        kind = (given.key, self._nulls(given), given.compared)
        if kind not in self._looks:
            fields, columns = given.shape.fields, self._table.columns
            same = [
                compare.is_stored(f"dbctl_given{n}", fields[name], columns[fields[name].name])
                for n, name in enumerate(given.compared)
            ]
            self._looks[kind] = select(
                *self._table.selected, *self.texts(given), *(one.label(None) for one in same)
            ).where(self.has_key(given))
        values = {f"dbctl_given{n}": given.written[name] for n, name in enumerate(given.compared)}
        return self._looks[kind], values | self.key(given)

    def create(self, given: Given) -> Bound[Insert]:
        """Insert the row, and return `KnownTable.selected`."""
        fields = given.shape.fields
        values = {fields[name]: value for name, value in given.written.items()}
        if any(isinstance(value, ClauseElement) for value in values.values()):
            return self._insert.values(values), {}
        return self._insert, {column.key: value for column, value in values.items()}

    def texts(self, given: Given) -> list[Any]:
        """Return what selects the compared fields as PostgreSQL writes them."""
        return [cast(given.shape.fields[name], Text).label(None) for name in given.compared]

    def has_key(self, given: Given) -> ColumnElement[bool]:
        """Return the condition that a row has the key, whose values `key` has."""
        nulls = self._nulls(given)
        conditions = []
        for number, name in enumerate(given.key):
            of = given.shape.fields[name]
            column = self._table.columns[of.name]
            stored = compare.stored(f"dbctl_key{number}", of, column)
            # Whatever the search_path, which is that of the session.
            is_value = of.bool_op(column.operator("="))(stored)
            conditions.append(of.is_(None) if name in nulls else is_value)
        return and_(*conditions)

    def key(self, given: Given) -> dict[str, Any]:
        """Return the parameters of `has_key`."""
        nulls = self._nulls(given)
        return {
            f"dbctl_key{n}": given.written[name]
            for n, name in enumerate(given.key)
            if name not in nulls
        }

    def _nulls(self, given: Given) -> tuple[str, ...]:
        return tuple(name for name in given.key if given.written[name] is None)
