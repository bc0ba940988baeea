"""What a row refers to, and what refers to it, by the foreign keys of its table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

import asyncpg

from dbctl.db.catalog import Column, Relation, columns_of, key_of
from dbctl.db.failures import first_line
from dbctl.db.names import listed, typed
from dbctl.errors import ErrorCode, RefusedError
from dbctl.inspect.data.collecting import collect
from dbctl.inspect.data.cost import CostRefused, Guard
from dbctl.inspect.data.links import (
    COUNTED,
    Link,
    counting,
    links_of,
    matching,
    row_command,
    rows_command,
)
from dbctl.inspect.data.results import Reference, Referrer, RowsResult
from dbctl.inspect.data.selection import Parameters, Selection, fields_of
from dbctl.inspect.data.source import Answer, Field, Source
from dbctl.inspect.masking import MASK, Masks
from dbctl.inspect.query.guard import refusals

_FOLLOWED = 5
# Tables that one statement counts rows of, or reads a label from.
_AT_ONCE = 50
# What people call a row by, the best first.
_NAMES = (
    "name", "full_name", "display_name", "title", "label", "username", "login", "email", "slug",
    "subject", "code", "number", "summary", "description",
)  # fmt: skip
_LABEL_TYPES = frozenset({"text", "varchar", "bpchar", "name"})
_LABEL_LENGTH = 80
_FORBIDDEN = "42501"
# Not to be seen by this role, locked, or over the time limit: the row itself was read.
_PASSING = frozenset({_FORBIDDEN, "55P03", "57014"})
_COSTLY = "it would cost too much"


# Whether a row is there, and what people call it by.
type _Label = tuple[bool, str | None]


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
        self._refused: dict[int, str] = {}

    async def find(self) -> tuple[tuple[Reference, ...], tuple[Referrer, ...]]:
        """Look at each foreign key, both ways."""
        links = await links_of(self._connection, self._selection.relation)
        if not links:
            return (), ()
        others = dict.fromkeys(link.other.oid for link in links)
        self._refused = await refusals(self._connection, list(others))
        own = await self._end(self._selection.relation)
        row = await self._texts(own, dict.fromkeys(c for link in links for c in link.columns))
        references: list[Reference] = []
        for some in batched((one for one in links if one.outgoing), _AT_ONCE, strict=False):
            labels = await self._labels_at_once(own, some, row)
            references += [
                await self._reference(own, link, row, labels.get(link.name)) for link in some
            ]
        referrers: list[Referrer] = []
        for some in batched((one for one in links if not one.outgoing), _AT_ONCE, strict=False):
            counts = await self._counts(own, some, row)
            for link, count in zip(some, counts, strict=True):
                referrers.append(await self._referrer(own, link, row, count))
        return tuple(references), tuple(referrers)

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

    async def _reference(
        self, own: _End, link: Link, row: Mapping[str, Any], label: _Label | None
    ) -> Reference:
        """Tell about the row at the other end of a link; without a `label`, that is read first."""
        values = [row[name] for name in link.columns]
        found: dict[str, Any] = {}
        if None not in values:
            is_read = label is not None and not self._follow
            async with nullcontext() if is_read else self._passing(found):
                end = await self._end(link.other)
                hidden = await self._hides(own, link)
                found["key"] = tuple(MASK if hidden else value for value in values)
                if label is None:
                    label = (await self._labels(own, [link], row))[link.name]
                found["found"], found["label"] = label
                if not hidden:
                    found["command"] = row_command(link, end.key, values)
                if self._follow:
                    found["rows"] = await self._rows(own, end, link, values, limit=1)
        return Reference(
            constraint=link.name,
            columns=link.columns,
            table=link.other.label,
            referenced_columns=link.other_columns,
            **found,
        )

    async def _referrer(
        self, own: _End, link: Link, row: Mapping[str, Any], count: int | None
    ) -> Referrer:
        """Tell about the rows of a link, of which there are `count`; None is not known yet."""
        values = [row[name] for name in link.columns]
        found: dict[str, Any] = {}
        if None not in values and not await self._hides(own, link):
            found["command"] = rows_command(link, values)
        if count is None:
            async with self._passing(found):
                count = await self._count(own, link, values)
        if count is not None:
            found |= {"count": min(count, COUNTED), "more": count > COUNTED}
        if count == 0:
            found.pop("command", None)
        if self._follow and count:
            async with self._passing(found):
                end = await self._end(link.other)
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

    def _check(self, links: Sequence[Link]) -> None:
        """Raise RefusedError where reading the other end of a link would do more than read."""
        for link in links:
            if reason := self._refused.get(link.other.oid):
                raise RefusedError(reason, code=ErrorCode.NOT_READ_ONLY)

    @asynccontextmanager
    async def _passing(self, found: dict[str, Any]) -> AsyncIterator[None]:
        """Note in `found` what keeps from looking at a table; the transaction goes on."""
        try:
            async with self._connection.transaction():
                yield
        except CostRefused:
            found["note"] = _COSTLY
        except RefusedError as error:
            found["note"] = error.message
            found.pop("command", None)
        except asyncpg.PostgresError as error:
            if error.sqlstate not in _PASSING:
                raise
            found["note"] = first_line(error)
            if error.sqlstate == _FORBIDDEN:  # to the command as well
                found.pop("command", None)

    async def _labels_at_once(
        self, own: _End, links: Sequence[Link], row: Mapping[str, Any]
    ) -> Mapping[str, _Label]:
        """Read the labels of all links: one by one takes long where the server is far.

        There are none where that fails for one of them.
        """
        full = [link for link in links if None not in [row[name] for name in link.columns]]
        if full:
            async with self._passing({}):
                return await self._labels(own, full, row)
        return {}

    async def _labels(
        self, own: _End, links: Sequence[Link], row: Mapping[str, Any]
    ) -> Mapping[str, _Label]:
        """Read by the name of each link whether its row is there, and what people call it by."""
        parameters = Parameters()
        selected = []
        self._check(links)
        for link in links:
            column = (await self._end(link.other)).label()
            text = f"CAST({column.sql} AS pg_catalog.text)" if column else "NULL"
            tail = matching(own.columns, link, [row[name] for name in link.columns], parameters)
            # An array, since a label may be NULL itself.
            label = f"ARRAY[pg_catalog.left({text}, {_LABEL_LENGTH})]"
            selected.append(f"(SELECT {label} {tail} LIMIT 1)")
        record = await self._connection.fetchrow(
            f"SELECT {', '.join(selected)}", *parameters.values
        )
        return {
            link.name: (False, None) if found is None else (True, found[0])
            for link, found in zip(links, record or (), strict=True)
        }

    async def _counts(
        self, own: _End, links: Sequence[Link], row: Mapping[str, Any]
    ) -> Sequence[int | None]:
        """Count the rows of all links at once: one by one takes long where the server is far.

        They are None where that fails for one of them, or costs too much together.
        """
        parameters = Parameters()
        statements = [
            f"({counting(own.columns, link, [row[name] for name in link.columns], parameters)})"
            for link in links
        ]
        statement = f"SELECT {', '.join(statements)}"
        async with self._passing({}):
            self._check(links)
            await self._guard.check(self._connection, statement, parameters.values)
            record = await self._connection.fetchrow(statement, *parameters.values)
            return tuple(record or ())
        return [None] * len(links)

    async def _count(self, own: _End, link: Link, values: Sequence[str]) -> int:
        self._check([link])
        parameters = Parameters()
        statement = counting(own.columns, link, values, parameters)
        if not link.indexed:
            await self._guard.check(self._connection, statement, parameters.values)
        return int(await self._connection.fetchval(statement, *parameters.values))

    async def _hides(self, own: _End, link: Link) -> bool:
        """Tell whether a column at either end is masked."""
        if any(own.fields[name].masked for name in link.columns):
            return True
        if link.has_parents:  # hidden as what it is a part of
            end = await self._end(link.other)
            return any(end.fields[name].masked for name in link.other_columns)
        place = link.other.schema, link.other.name
        columns = zip(link.other_columns, link.other_types, strict=True)
        return any(self._masks.reason(*place, name, type_) for name, type_ in columns)

    async def _rows(
        self, own: _End, end: _End, link: Link, values: Sequence[str], *, limit: int
    ) -> RowsResult:
        parameters = Parameters()
        tail = matching(own.columns, link, values, parameters)
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
