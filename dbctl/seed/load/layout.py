"""Which columns are sent, and what stands in for those that a row does not have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from dbctl.db.catalog import Column
from dbctl.seed.load.checking import MISSING, Checker, NewColumn, Record
from dbctl.seed.load.intake import Intake, is_required
from dbctl.seed.load.request import OnConflict, Request

# The column of a stage that has the places, from 0, of the columns that a row does not have.
MARKS = "dbctl_missing"


def straight(intake: Intake, request: Request, defaults: dict[str, Callable[[], Any]]) -> Checker:
    """Return what checks rows that go straight into the table.

    Where one lacks a column whose default is another value each time, the check raises NewColumn.
    """
    made = intake.made
    columns = [*intake.given, *(name for name in made if name not in intake.given)]
    fill = {name: _refusing(name) if make() is MISSING else make for name, make in defaults.items()}
    return _checker(intake, request, columns, fill | made)


def staged(intake: Intake, request: Request) -> tuple[Checker, StagedLayout]:
    """Return what checks rows that go into a stage, and how they stand in it."""
    made = intake.made
    if any(file.header is None for file in intake.files):
        columns = [column.name for column in intake.table.writable]
    else:
        columns = [*intake.given, *(name for name in made if name not in intake.given)]
    updating = request.on_conflict is OnConflict.UPDATE
    fill = {
        name: _missing
        for name in columns
        if updating or name in made or not is_required(intake.table.column(name))
    }
    return _checker(intake, request, columns, fill), StagedLayout(intake, columns, made)


class StagedLayout:
    """Records as they stand in a stage: with marks of what they do not have.

    `table` has the columns of the stage; `present` those that at least one row has.
    """

    def __init__(
        self, intake: Intake, columns: Sequence[str], made: dict[str, Callable[[], Any]]
    ) -> None:
        self.columns = tuple(columns)
        self.made = {name: make for name, make in made.items() if name in columns}
        self.table = replace(intake.table, columns=(*intake.table.columns, _marks()))
        self._sparse = intake.is_sparse or bool(self.made)
        self._records = 0
        self._lacking = [0] * len(columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the stage."""
        return (*self.columns, MARKS) if self._sparse else self.columns

    def lacking(self, name: str) -> bool:
        """Tell whether some row does not have the column."""
        return self._lacking[self.columns.index(name)] > 0

    def lacks_everywhere(self, name: str) -> bool:
        """Tell whether no row has the column."""
        return self._lacking[self.columns.index(name)] == self._records

    @property
    def present(self) -> list[str]:
        """The columns that some row has, or that a model has made values for."""
        return [
            name for name in self.columns if name in self.made or not self.lacks_everywhere(name)
        ]

    async def marked(
        self, batches: AsyncIterator[Sequence[Record]]
    ) -> AsyncIterator[Sequence[Record]]:
        """Yield the records of `batches` with their marks."""
        makers = [self.made.get(name, _none) for name in self.columns]
        async for batch in batches:
            self._records += len(batch)
            if self._sparse:
                yield [self._marked(record, makers) for record in batch]
            else:
                yield batch

    def _marked(self, record: Record, makers: Sequence[Callable[[], Any]]) -> Record:
        missing = [place for place, value in enumerate(record) if value is MISSING]
        if not missing:
            return (*record, None)
        values = list(record)
        for place in missing:
            self._lacking[place] += 1
            values[place] = makers[place]()
        return (*values, missing)


def _checker(
    intake: Intake, request: Request, columns: Sequence[str], fill: dict[str, Callable[[], Any]]
) -> Checker:
    checker = Checker(
        intake.table,
        columns,
        intake.matcher,
        intake.modelled,
        fill,
        request.notation,
        intake.writers,
    )
    checker.learn(field for file in intake.files if file.header is None for field in file.fields)
    return checker


def _marks() -> Column:
    return Column(
        name=MARKS,
        type="smallint[]",
        base_schema="pg_catalog",
        base_name="_int2",
        leaf="int2",
        is_array=True,
        comparable=True,
        labels=(),
        length=None,
        precision=None,
        scale=None,
        subtype=None,
        domain_checks=(),
        nullable=True,
        expression=None,
        identity=None,
        generated=None,
        sequence=None,
        comment=None,
        key_position=None,
    )


def _refusing(name: str) -> Callable[[], Any]:
    def refuse() -> Any:
        raise NewColumn(name)

    return refuse


def _missing() -> Any:
    return MISSING


def _none() -> None:
    return None
