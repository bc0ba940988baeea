"""Write the rows of a set one by one: found by their keys, created, updated or left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row as Returned
from sqlalchemy import update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm.attributes import set_committed_value

from dbctl.db.catalog import Relation
from dbctl.db.names import listed
from dbctl.seed.keys import Keyed
from dbctl.seed.sets import compare
from dbctl.seed.sets.faults import SetFault, row_refused
from dbctl.seed.sets.known import Identity, KnownTable, Row, RowKey, Written
from dbctl.seed.sets.naturals import naturals_of
from dbctl.seed.sets.results import Change, RowState, SetRow
from dbctl.seed.sets.rows import Given, Part, Shape, label, parts, read, shape_of
from dbctl.seed.sets.statements import Statements

# Characters of a value that a result shows.
_SHOWN = 1000


@dataclass(slots=True)
class _Done:
    """A row that is written: what it was yielded as, with which fields, and what that did."""

    instance: object
    table: KnownTable
    natural: tuple[str, ...]
    compared: set[str]
    row: SetRow


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the database says of a row: itself, and by field its text and whether it is as given."""

    row: Row
    texts: dict[str, str | None]
    same: dict[str, bool]


class Upserter:
    """Write rows in the transaction of `connection`; `before` is what earlier runs have left.

    `describe` puts before a fault where in the set it is.
    """

    def __init__(
        self, connection: AsyncConnection, before: Written, describe: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._before = before
        self._describe = describe
        self._tables: dict[type, KnownTable] = {}
        self._statements: dict[KnownTable, Statements] = {}
        self._shapes: dict[type, Shape] = {}
        self._done: dict[Identity, _Done] = {}
        self._yielded: dict[int, object] = {}
        self._parts: list[Part] = []
        self.explicit: set[Relation] = set()

    @property
    def rows(self) -> list[SetRow]:
        """Return what was done, row by row."""
        return [done.row for done in self._done.values()]

    def forget(self) -> None:
        """Forget what rows hold: the set has run a statement of its own that may write."""
        for table in self._tables.values():
            table.forget()

    async def write(self, yielded: object) -> None:
        """Write one row, as a set yields it; its instance has the database's values afterwards.

        Raises SetFault for a row that cannot be written, FindingError where the database has not
        its table, ConnectionFailed where it is lost.
        """
        try:
            given = read(self._shape(yielded), yielded)
            try:
                table = await self._table(given.shape, type(given.instance))
                state, row, changes = await self._written(table, given)
            except StatementError as error:
                raise row_refused(error, given.name) from error
        except SetFault as fault:
            raise SetFault(
                f"{self._describe()}: {fault.message}", hint=fault.hint, code=fault.code
            ) from fault
        self._keep(given)
        identity = (table.key, row.key)
        compared = {given.shape.fields[name].name for name in given.compared}
        if done := self._done.get(identity):
            self._add(done, given, changes)
            done.compared |= compared
        else:
            told = SetRow(
                table=table.key.label,
                key=given.key_text,
                label=label(row.values, given.key),
                state=state,
                changes=changes,
            )
            natural = self._natural(identity, given)
            self._done[identity] = _Done(given.instance, table, natural, compared, told)
        for name, value in row.values.items():
            set_committed_value(given.instance, name, value)

    def _add(self, done: _Done, given: Given, changes: tuple[Change, ...]) -> None:
        """Count the changes of a row that is yielded again as its own; once it is that instance.

        Rows that refer to each other need it: one is yielded before and after the other.
        """
        again = [change.column for change in changes if change.column in done.compared]
        if given.instance is not done.instance:
            again = [change.column for change in changes]
        if again:
            raise SetFault(
                f"{self._describe()}: {given.name} is yielded twice, with another {listed(again)}",
                hint="Every run would write it twice. Yield each row once; of rows that refer to "
                "each other, yield one without the reference, and again when that is set.",
            )
        if changes and done.row.state is not RowState.CREATED:
            done.row = done.row.model_copy(
                update={"state": RowState.UPDATED, "changes": (*done.row.changes, *changes)}
            )

    def _natural(self, identity: Identity, given: Given) -> tuple[str, ...]:
        """Return the columns by which the row is known beside its primary key, if by any."""
        if given.key != given.shape.primary:
            return tuple(given.shape.fields[name].name for name in given.key)
        return tuple(self._before.naturals.get(identity, ()))

    async def finish(self) -> Written:
        """Return what the runs of the set have left now.

        Raises SetFault where a row is part of another, and was not itself yielded or does not
        refer to it.
        """
        for part in self._parts:
            if id(part.row) not in self._yielded:
                raise SetFault(
                    f"{self._describe()}: a {type(part.row).__name__} in the {part.place} is not "
                    "yielded",
                    hint="Yield each row itself, the one that others refer to first.",
                )
            if strays := part.strays():
                raise SetFault(
                    f"{self._describe()}: a {type(part.row).__name__} in the {part.place} has "
                    f"another {listed(strays)}",
                    hint="Give the relationship its `back_populates`, or the row its "
                    f"{listed(strays)}.",
                )
        known = {table.key: table for table in self._tables.values()}
        after = Written()
        for table, key in self._before.created:
            # Of a table that the set fills no more, nothing is known.
            if table not in known or known[table].has(key) or (table, key) in self._done:
                after.created.append((table, key))
        created = set(after.created)
        for identity, done in self._done.items():
            if identity not in created:
                is_new = done.row.state is RowState.CREATED
                (after.created if is_new else after.found).append(identity)
        kept = {*after.created, *after.found}
        after.naturals |= {i: one for i, one in self._before.naturals.items() if i in kept}
        return await self._named(after)

    async def _named(self, written: Written) -> Written:
        """Add the natural keys that the rows of this run have now; drop rows that are gone."""
        groups: dict[tuple[KnownTable, tuple[str, ...]], list[RowKey]] = {}
        for (_, key), done in self._done.items():
            if done.natural:
                groups.setdefault((done.table, done.natural), []).append(key)
        gone = set()
        for (table, names), keys in groups.items():
            now = await naturals_of(self._connection, table.key, table.columns, names, keys)
            written.naturals |= {(table.key, key): natural for key, natural in now.items()}
            gone |= {(table.key, key) for key in keys if key not in now}
        return written.without(gone)

    def _keep(self, given: Given) -> None:
        self._yielded[id(given.instance)] = given.instance
        self._parts += parts(given.instance)

    def _shape(self, yielded: object) -> Shape:
        instance = yielded.row if isinstance(yielded, Keyed) else yielded
        model = type(instance)
        if model not in self._shapes:
            self._shapes[model] = shape_of(model, instance)
        return self._shapes[model]

    async def _table(self, shape: Shape, model: type) -> KnownTable:
        if model not in self._tables:
            table = await KnownTable.open(self._connection, shape)
            if keys := self._before.keys_of(table.key):
                await table.prefetch(self._connection, keys)
            self._tables[model] = table
            self._statements[table] = Statements(table)
        return self._tables[model]

    async def _written(
        self, table: KnownTable, given: Given
    ) -> tuple[RowState, Row, tuple[Change, ...]]:
        wanted = tuple(given.written[name] for name in given.key)
        known = table.lookup(given.key, wanted)
        if known is not None and all(
            compare.surely_same(given.written[name], known.values[name]) for name in given.compared
        ):
            return RowState.UNCHANGED, known, ()
        looked = await self._look(table, given)
        if looked is None:
            return RowState.CREATED, await self._create(table, given), ()
        differing = [name for name, same in looked.same.items() if not same]
        if not differing:
            return RowState.UNCHANGED, looked.row, ()
        return await self._update(table, given, looked, differing)

    async def _look(self, table: KnownTable, given: Given) -> _Looked | None:
        """Return the row that has the key; None where there is none."""
        found = (await self._connection.execute(*self._statements[table].look(given))).all()
        if len(found) > 1:
            raise SetFault(
                f"{len(found)} rows of {table.key.label} have the key {given.key_text}",
                hint="Key the row by fields of which no two rows have the same.",
            )
        if not found:
            return None
        count = len(given.compared)
        return _Looked(
            table.row(found[0]),
            self._texts_of(table, given, found[0]),
            dict(zip(given.compared, list(found[0])[-count:] if count else (), strict=True)),
        )

    async def _create(self, table: KnownTable, given: Given) -> Row:
        fields = given.shape.fields
        statement = self._statements[table].create(given)
        returned = (await self._connection.execute(*statement)).one_or_none()
        if returned is None:
            raise SetFault(
                f"{given.name} was not created, and the database said nothing",
                hint="A trigger or a rule of the table keeps it from it.",
            )
        if any(table.columns[fields[name].name].sequence for name in given.written):
            self.explicit.add(table.relation)
        return table.row(returned)

    async def _update(
        self, table: KnownTable, given: Given, looked: _Looked, differing: list[str]
    ) -> tuple[RowState, Row, tuple[Change, ...]]:
        """Update the fields that differ, unless a trigger makes of them what is there already."""
        fields, statements = given.shape.fields, self._statements[table]
        statement = (
            update(given.shape.table)
            .where(statements.has_key(given))
            .values({fields[name]: given.written[name] for name in differing})
            .returning(*table.selected, *statements.texts(given))
        )
        async with self._connection.begin_nested() as savepoint:
            found = await self._connection.execute(statement, statements.key(given))
            returned = found.one_or_none()
            if returned is None:
                raise SetFault(
                    f"{given.name} was found, but cannot be updated",
                    hint="A policy or a trigger of the table keeps it from it, or somebody has "
                    "just deleted the row.",
                )
            after = self._texts_of(table, given, returned)
            changes = tuple(
                Change(
                    column=fields[name].name,
                    old=_cut(looked.texts[name]),
                    new=_cut(after[name]),
                )
                for name in given.compared
                if looked.texts[name] != after[name]
            )
            if not changes:
                await savepoint.rollback()
        if not changes:
            return RowState.UNCHANGED, looked.row, ()
        return RowState.UPDATED, table.row(returned), changes

    def _texts_of(
        self, table: KnownTable, given: Given, returned: Returned[Any]
    ) -> dict[str, str | None]:
        start = len(table.selected)
        values = list(returned)[start : start + len(given.compared)]
        return dict(zip(given.compared, values, strict=True))


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
