"""Load rows from files into a table: straight with COPY, or by way of a stage."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, closing
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import driver_error, statement_failed
from dbctl.errors import OperationFailed
from dbctl.migrate.project_models import ProjectModels
from dbctl.seed.bulk.progress import Report, Waiting, counted
from dbctl.seed.bulk.refusals import CopyRefused
from dbctl.seed.bulk.stage import Stage
from dbctl.seed.bulk.writer import Writer, writing
from dbctl.seed.load import layout
from dbctl.seed.load.bisection import OF_ROWS, is_of_rows
from dbctl.seed.load.blame import (
    fault_of,
    faults_of_stage,
    rejected_by_stage,
    rejected_by_trial,
)
from dbctl.seed.load.checking import NewColumn
from dbctl.seed.load.conflicts import conflict_key
from dbctl.seed.load.faults import Fault
from dbctl.seed.load.files import File
from dbctl.seed.load.intake import Intake, defaults, take_in
from dbctl.seed.load.notation import ORDERS
from dbctl.seed.load.outcome import Outcome
from dbctl.seed.load.rejects import RejectFile, refuse_target
from dbctl.seed.load.request import OnConflict, Request
from dbctl.seed.load.results import LoadResult
from dbctl.seed.load.sources import Source
from dbctl.seed.load.staging import Counts, Staging
from dbctl.seed.load.stream import Faulty, Refused, Stream
from dbctl.settings import Settings

# What COPY cannot write to, and INSERT may: a table with policies for its rows.
_UNSUPPORTED = "0A000"
# Rows that only the server can tell to be bad, and each of which costs another look at the files.
_REFUSALS = 100


async def load(
    manager: DatabaseSessionManager,
    settings: Settings,
    models: ProjectModels | None,
    request: Request,
    report: Report,
) -> LoadResult:
    """Load the files of `request` in one transaction: all of their rows, or none.

    With a reject file the rows that cannot be loaded go there and the others are loaded; without,
    one such row makes the result an error, and nothing is written. Raises UsageError for what does
    not fit together, RefusedError where rows must not be written, OperationFailed.
    """
    began = time.monotonic()
    outcome: Outcome | None = None
    with ExitStack() as stack:
        sources = _sources(request, stack)
        if request.reject is not None:
            refuse_target(request.reject, request.files)
        try:
            purpose = f"dbctl seed load {request.into}"
            async with writing(manager, settings, purpose=purpose) as writer:
                await _set_date_style(writer.connection, request)
                intake = await take_in(writer.connection, models, request, sources)
                outcome = Outcome(manager.label, request, intake)
                if request.reject is not None:
                    fields = frozenset(
                        field
                        for field, name in intake.fields.items()
                        if intake.table.column(name).leaf in {"json", "jsonb"}
                    )
                    outcome.rejects = stack.enter_context(RejectFile.at(request.reject, fields))
                await _Run(writer, intake, request, outcome, report).write()
                report(Waiting(f"statistics of {intake.table.label}"))
                outcome.finished = await writer.finish([intake.table])
                if outcome.rejects is not None:
                    outcome.rejects.keep()
        except Faulty:
            assert outcome is not None  # noqa: S101 - rows were read
            outcome.failed = True
    assert outcome is not None  # noqa: S101 - else something was raised
    return outcome.result(time.monotonic() - began)


async def plan(
    manager: DatabaseSessionManager,
    _settings: Settings,
    models: ProjectModels | None,
    request: Request,
    report: Report,
) -> LoadResult:
    """Read, map and check every row, and write none; what only the server knows is not checked.

    Raises UsageError for what does not fit together, OperationFailed for a damaged file.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        sources = _sources(request, stack)
        async with manager.connect() as connection:
            intake = await take_in(connection, models, request, sources)
            if request.on_conflict is not OnConflict.FAIL:
                conflict_key(intake.table, request, intake.given)
        outcome = Outcome(manager.label, request, intake, is_plan=True)
        checker, _ = layout.staged(intake, request)
        stream = outcome.stream = Stream(intake.files, checker, intake.matcher, None)
        try:
            with counted(report, intake.table.label, share=stream.share) as on_rows:
                async for _ in stream.batches():
                    on_rows(stream.records)
                    await asyncio.sleep(0)  # signals are heard
        except Faulty:
            outcome.failed = True
    outcome.counts = Counts(inserted=stream.records)
    return outcome.result(time.monotonic() - began)


async def _set_date_style(connection: AsyncConnection, request: Request) -> None:
    """Have the server read dates as this run does, in types that it gets as text."""
    order = request.notation.date_format
    if order in ORDERS:
        style = f"ISO, {order}"
        statement = "select pg_catalog.set_config('datestyle', $1, true)"
        await connection.exec_driver_sql(statement, (style,))


def _sources(request: Request, stack: ExitStack) -> list[Source]:
    """Return the files, closed with `stack`; raises UsageError for one that is not there."""
    return [
        stack.enter_context(closing(Source(name, form=request.form, encoding=request.encoding)))
        for name in request.files
    ]


class _Run:
    """One run in its transaction."""

    def __init__(
        self,
        writer: Writer,
        intake: Intake,
        request: Request,
        outcome: Outcome,
        report: Report,
    ) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._intake = intake
        self._request = request
        self._outcome = outcome
        self._report = report

    async def write(self) -> None:
        """Write the rows; raises Faulty where there are faults, and CopyRefused."""
        repeatable = all(file.source.is_repeatable for file in self._intake.files)
        straight = (
            self._request.on_conflict is OnConflict.FAIL
            and self._request.reject is None
            and (repeatable or not self._intake.is_sparse)
        )
        if straight and await self._copied(repeatable=repeatable):
            return
        await self._by_stage()

    async def _copied(self, *, repeatable: bool) -> bool:
        """Copy the rows straight into the table; tell whether that was possible.

        It is not where rows lack what the server makes anew for each, and where only their stage
        can tell which of them the server refused.
        """
        table = self._intake.table
        known: dict[str, Any] = {}
        if self._intake.is_sparse:
            known = await defaults(self._connection, table, self._intake.given)
        checker = layout.straight(self._intake, self._request, known)
        stream = self._stream(checker)
        await self._connection.exec_driver_sql("savepoint dbctl_load")
        try:
            with counted(self._report, table.label, share=stream.share) as on_rows:
                rows = await self._writer.copy(table, checker.columns, stream.batches(), on_rows)
            await self._writer.check_deferred(table)
        except NewColumn:
            await self._back()
            return False
        except CopyRefused as error:
            await self._back()
            if error.row is not None and error.sqlstate.startswith(OF_ROWS):
                file, number = stream.places.of(error.row)
                stream.faults.add([fault_of(error, file, number, self._intake)])
                raise Faulty from error
            if repeatable and error.sqlstate.startswith((*OF_ROWS, _UNSUPPORTED)):
                return False
            raise
        self._outcome.counts = Counts(inserted=rows)
        return True

    async def _by_stage(self) -> None:
        table, request = self._intake.table, self._request
        key = None
        if request.on_conflict is not OnConflict.FAIL:
            key = conflict_key(table, request, self._intake.given)
        if self._outcome.rejects is not None:
            self._outcome.rejects.restart()
        await self._writer.lock([table])
        staged, stream, stage = await self._staged()
        self._report(Waiting(f"moving the rows into {table.label}"))
        staging = Staging(table, stage, staged, key)
        await staging.analyze(self._connection)
        if request.on_conflict is OnConflict.UPDATE:
            self._outcome.counts.superseded = await staging.drop_superseded(self._connection)
        counts = await self._moved(staging, stream)
        counts.superseded = self._outcome.counts.superseded
        self._outcome.counts = counts

    async def _moved(self, staging: Staging, stream: Stream) -> Counts:
        """Move the rows of the stage into the table; raises Faulty where it does not take them.

        With a reject file those go there.
        """
        connection, rejects = self._connection, self._outcome.rejects
        of_stage = (connection, staging, self._request, self._intake, stream)
        while True:
            if rejects is not None:
                await rejected_by_stage(*of_stage, rejects)
            await connection.exec_driver_sql("savepoint dbctl_load")
            try:
                return await staging.move(connection, self._request.on_conflict)
            except DBAPIError as error:
                await self._back()
                if is_of_rows(error):
                    if rejects is None:
                        await faults_of_stage(*of_stage)
                        if stream.faults.count:
                            raise Faulty from error
                    elif await rejected_by_trial(*of_stage, rejects):
                        continue
                raise _refused(error, self._intake.table.label) from error

    async def _staged(self) -> tuple[layout.StagedLayout, Stream, Stage]:
        """Copy the rows into a stage; what the server does not take of them is rejected.

        It tells of one row at a time, after which the files are read anew. Raises Faulty where
        nothing is rejected, and CopyRefused where there are too many such rows or no second look.
        """
        rejects = self._outcome.rejects
        repeatable = all(file.source.is_repeatable for file in self._intake.files)
        refused: dict[File, dict[int, Fault]] = {}
        for _ in range(_REFUSALS):
            checker, staged = layout.staged(self._intake, self._request)
            stream = self._stream(checker, refused)
            await self._connection.exec_driver_sql("savepoint dbctl_load")
            try:
                with counted(self._report, self._intake.table.label, share=stream.share) as on_rows:
                    stage = await self._writer.stage(
                        staged.table, staged.names, staged.marked(stream.batches()), on_rows
                    )
            except CopyRefused as error:
                if error.row is None or not error.sqlstate.startswith(OF_ROWS):
                    raise
                if rejects is not None and not repeatable:
                    raise
                await self._back()
                file, number = stream.places.of(error.row)
                fault = fault_of(error, file, number, self._intake)
                if rejects is None:
                    stream.faults.add([fault])
                    raise Faulty from error
                refused.setdefault(file, {})[number] = fault
                rejects.restart()
                last = error
            else:
                return staged, stream, stage
        raise last

    def _stream(self, checker: Any, refused: Refused | None = None) -> Stream:
        self._outcome.stream = Stream(
            self._intake.files, checker, self._intake.matcher, self._outcome.rejects, refused
        )
        return self._outcome.stream

    async def _back(self) -> None:
        await self._connection.exec_driver_sql("rollback to savepoint dbctl_load")


def _refused(error: DBAPIError, table: str) -> Exception:
    failure = statement_failed(error)
    if isinstance(failure, OperationFailed):
        detail = getattr(driver_error(error), "detail", None) or ""
        more = f" ({detail})" if detail and detail.rstrip(".") not in failure.message else ""
        return OperationFailed(
            f"{table}: {failure.message}{more}",
            hint=f"Nothing was written. {failure.hint or ''}".strip(),
            code=failure.code,
        )
    return failure
