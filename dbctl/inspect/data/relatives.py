"""What a row refers to, and what refers to it, by the foreign keys of its table."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, Relation, columns_of, fetch, key_of, kind_of
from dbctl.db.failures import first_line
from dbctl.db.names import listed, typed
from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.conditions import exactly
from dbctl.inspect.data.cost import CostRefused, Guard
from dbctl.inspect.data.results import Reference, Referrer, RowsResult
from dbctl.inspect.data.selection import Parameters, Selection, fields_of
from dbctl.inspect.data.source import Answer, Field, Source
from dbctl.inspect.masking import MASK, Masks

# Nobody reads further than that one by one.
_COUNTED = 1000
_FOLLOWED = 5
# What people call a row by, the best first.
_NAMES = (
    "name", "full_name", "display_name", "title", "label", "username", "login", "email", "slug",
    "subject", "code", "number", "summary", "description",
)  # fmt: skip
_LABEL_TYPES = frozenset({"text", "varchar", "bpchar", "name"})
_LABEL_LENGTH = 80
# Not to be seen by this role, locked, or over the time limit: the row itself was read.
_PASSING = frozenset({"42501", "55P03", "57014"})
_COSTLY = "it would cost too much"
_WORD_NULL = re.compile("'*(?:null|NULL)'*")


@dataclass(frozen=True, slots=True)
class _Link:
    """A foreign key, seen from the row: `columns` are its own, `other_columns` at the other end."""

    name: str
    outgoing: bool
    columns: tuple[str, ...]
    other: Relation
    other_columns: tuple[str, ...]
    indexed: bool


@dataclass(frozen=True, slots=True)
class _End:
    """The table at the other end of a link, its columns and what may be shown of them."""

    relation: Relation
    columns: dict[str, Column]
    fields: dict[str, Field]

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns."""
        return tuple(column.name for column in key_of(list(self.columns.values())))

    def label(self) -> Column | None:
        """Return the column that people would call a row by."""
        texts = {
            name: column
            for name, column in self.columns.items()
            if column.leaf in _LABEL_TYPES
            and not column.is_array
            and not self.fields[name].masked
            and name not in self.key
        }
        best = next((texts[name] for name in _NAMES if name in texts), None)
        return best or next(iter(texts.values()), None)


class Relatives:
    """Finds what the one row that `selection` finds refers to, and what refers to it."""

    def __init__(
        self,
        connection: asyncpg.Connection[Any],
        selection: Selection,
        *,
        masks: Masks,
        guard: Guard,
        follow: bool,
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._masks = masks
        self._guard = guard
        self._follow = follow
        self._ends: dict[int, _End] = {}

    async def find(self) -> tuple[tuple[Reference, ...], tuple[Referrer, ...]]:
        """Look at each foreign key, both ways."""
        links = await self._links()
        if not links:
            return (), ()
        own = await self._end(self._selection.relation)
        row = await self._texts(own, dict.fromkeys(c for link in links for c in link.columns))
        references = [await self._reference(own, link, row) for link in links if link.outgoing]
        referrers = [await self._referrer(own, link, row) for link in links if not link.outgoing]
        return tuple(references), tuple(referrers)

    async def _links(self) -> list[_Link]:
        rows = await fetch(
            self._connection, "inspect.data", "links", relation=self._selection.relation.oid
        )
        return [
            _Link(
                name=row["name"],
                outgoing=row["outgoing"],
                columns=tuple(row["columns"]),
                other=Relation(row["oid"], row["schema"], row["relname"], kind_of(row)),
                other_columns=tuple(row["other_columns"]),
                indexed=row["indexed"],
            )
            for row in rows
        ]

    async def _end(self, relation: Relation) -> _End:
        if (end := self._ends.get(relation.oid)) is None:
            columns = await columns_of(self._connection, relation)
            fields = await fields_of(self._connection, relation, columns, self._masks)
            end = self._ends[relation.oid] = _End(
                relation,
                {column.name: column for column in columns},
                {field.name: field for field in fields},
            )
        return end

    async def _texts(self, own: _End, names: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the row's own columns as PostgreSQL writes them, which it reads."""
        columns = [own.columns[name] for name in names]
        parameters = Parameters()
        selected = ", ".join(f"CAST({column.sql} AS pg_catalog.text)" for column in columns)
        record = await self._connection.fetchrow(
            f"SELECT {selected} {self._selection.source(parameters)}", *parameters.values
        )
        return dict(zip(names, record or (), strict=True))

    async def _reference(self, own: _End, link: _Link, row: Mapping[str, Any]) -> Reference:
        values = [row[name] for name in link.columns]
        found: dict[str, Any] = {}
        if None not in values:
            async with self._passing(found):
                end = await self._end(link.other)
                hidden = _is_hidden(own, end, link)
                found["key"] = tuple(MASK if hidden else value for value in values)
                found["found"], found["label"] = await self._label(own, end, link, values)
                if not hidden:
                    found["command"] = _command(end, link.other_columns, values)
                if self._follow:
                    found["rows"] = await self._rows(own, end, link, values, limit=1)
        return Reference(
            constraint=link.name,
            columns=link.columns,
            table=link.other.label,
            referenced_columns=link.other_columns,
            **found,
        )

    async def _referrer(self, own: _End, link: _Link, row: Mapping[str, Any]) -> Referrer:
        values = [row[name] for name in link.columns]
        found: dict[str, Any] = {}
        if None in values:
            found["count"] = 0
        else:
            async with self._passing(found):
                end = await self._end(link.other)
                if not _is_hidden(own, end, link):
                    found["command"] = _rows_command(end.relation, link.other_columns, values)
                count = await self._count(own, end, link, values)
                found |= {"count": min(count, _COUNTED), "more": count > _COUNTED}
                if not count:
                    found.pop("command", None)
                if self._follow and count:
                    found["rows"] = await self._rows(own, end, link, values, limit=_FOLLOWED)
        if found.get("note") == _COSTLY and not link.indexed:
            found["note"] = f"no index on {listed([typed(name) for name in link.other_columns])}"
        return Referrer(
            constraint=link.name,
            table=link.other.label,
            columns=link.other_columns,
            referenced_columns=link.columns,
            **found,
        )

    @asynccontextmanager
    async def _passing(self, found: dict[str, Any]) -> AsyncIterator[None]:
        """Note in `found` what keeps from looking at a table; the transaction goes on."""
        try:
            async with self._connection.transaction():
                yield
        except CostRefused:
            found["note"] = _COSTLY
        except asyncpg.PostgresError as error:
            if error.sqlstate not in _PASSING:
                raise
            found["note"] = first_line(error)

    async def _label(
        self, own: _End, end: _End, link: _Link, values: Sequence[str]
    ) -> tuple[bool, str | None]:
        column, parameters = end.label(), Parameters()
        text = f"CAST({column.sql} AS pg_catalog.text)" if column else "NULL"
        tail = _matching(own, end, link, values, parameters)
        record = await self._connection.fetchrow(
            f"SELECT pg_catalog.left({text}, {_LABEL_LENGTH}) {tail} LIMIT 1", *parameters.values
        )
        return record is not None, record[0] if record else None

    async def _count(self, own: _End, end: _End, link: _Link, values: Sequence[str]) -> int:
        parameters = Parameters()
        tail = _matching(own, end, link, values, parameters)
        some = f"(SELECT {tail} LIMIT {_COUNTED + 1}) s"
        statement = f"SELECT pg_catalog.count(*) FROM {some}"  # noqa: S608
        if not link.indexed:
            await self._guard.check(self._connection, statement, parameters.values)
        return int(await self._connection.fetchval(statement, *parameters.values))

    async def _rows(
        self, own: _End, end: _End, link: _Link, values: Sequence[str], *, limit: int
    ) -> RowsResult:
        parameters = Parameters()
        tail = _matching(own, end, link, values, parameters)
        if order := [end.columns[name].sql for name in end.key]:
            tail += f" ORDER BY {', '.join(order)}"
        source = Source(tuple(end.fields.values()), tail, parameters.values)
        await self._guard.check(self._connection, source.statement(limit), source.parameters)
        headers = replace(
            self._selection, relation=end.relation, fields=source.fields, filters=()
        ).headers
        blank = RowsResult(
            table=end.relation.label,
            headers=headers,
            limit=limit,
            order=tuple(typed(name) for name in end.key),
        )
        return await collect(self._connection, Answer(source, blank, limit))


def _matching(
    own: _End, end: _End, link: _Link, values: Sequence[str], parameters: Parameters
) -> str:
    """Return FROM and WHERE of the rows at the other end that have the row's values."""
    parts = [
        # As a value of the row's own type: that of the other column may be narrower.
        f"{end.columns[other].sql} = {exactly(own.columns[name], parameters.bind(value))}"
        for name, other, value in zip(link.columns, link.other_columns, values, strict=True)
    ]
    return f"FROM {end.relation.sql} WHERE {' AND '.join(parts)}"


def _is_hidden(own: _End, end: _End, link: _Link) -> bool:
    fields = [
        *(own.fields[name] for name in link.columns),
        *(end.fields[name] for name in link.other_columns),
    ]
    return any(field.masked for field in fields)


def _command(end: _End, columns: Sequence[str], values: Sequence[str]) -> str:
    """Return the command that shows the one row whose `columns` have the values."""
    if end.key != tuple(columns):
        return _rows_command(end.relation, columns, values)
    dashes = ["--"] if any(value.startswith("-") for value in values) else []
    return shlex.join(["dbctl", "inspect", "row", end.relation.label, *dashes, *values])


def _rows_command(relation: Relation, columns: Sequence[str], values: Sequence[str]) -> str:
    conditions = [
        f"{typed(name)}={_quoted(value)}" for name, value in zip(columns, values, strict=True)
    ]
    return shlex.join(["dbctl", "inspect", "rows", relation.label, *conditions])


def _quoted(value: str) -> str:
    return f"'{value}'" if _WORD_NULL.fullmatch(value) else value
