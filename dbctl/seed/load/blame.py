"""Which row of which file the server will not have, and why, in words."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.names import quote
from dbctl.seed.bulk.refusals import CopyRefused
from dbctl.seed.bulk.stage import ROW
from dbctl.seed.load.bisection import Bisection
from dbctl.seed.load.exact import loads
from dbctl.seed.load.faults import Fault, shown
from dbctl.seed.load.files import File
from dbctl.seed.load.intake import Intake
from dbctl.seed.load.rejects import RejectFile
from dbctl.seed.load.request import Request
from dbctl.seed.load.staging import Staging, run
from dbctl.seed.load.stream import Stream
from dbctl.seed.load.violations import Found, Judge, Violation

# Rows that are rejected because the server refused them when they were tried, each of which costs
# some twenty statements.
_TRIED = 10_000


def fault_of(error: CopyRefused, file: File, number: int, intake: Intake) -> Fault:
    """Describe what the server said of the row `number` of `file`, with what stands there."""
    column, reason = error.column or _column_of(error.constraint, intake), _reason(error, intake)
    line, value = _look_up(file, number, column, intake)
    return Fault(file=file.label, row=number, line=line, column=column, value=value, reason=reason)


async def faults_of_stage(
    connection: AsyncConnection,
    staging: Staging,
    request: Request,
    intake: Intake,
    stream: Stream,
) -> None:
    """Add the rows of the stage that the table does not take to the faults of `stream`."""
    async for found in Judge(staging, request.on_conflict).find(connection):
        stream.faults.add([_fault_of_found(found, stream, intake)])
    if not stream.faults.count:
        limit = stream.faults.KEPT
        for found in await _tried(connection, staging, request, intake, limit):
            stream.faults.add([_fault_of_found(found, stream, intake)])
        stream.faults.are_all = stream.faults.count < limit


async def rejected_by_stage(
    connection: AsyncConnection,
    staging: Staging,
    request: Request,
    intake: Intake,
    stream: Stream,
    rejects: RejectFile,
) -> None:
    """Move the rows of the stage that a constraint refuses to the reject file."""
    async for found in Judge(staging, request.on_conflict).remove(connection):
        _reject(found, intake, stream, rejects)


async def rejected_by_trial(
    connection: AsyncConnection,
    staging: Staging,
    request: Request,
    intake: Intake,
    stream: Stream,
    rejects: RejectFile,
) -> bool:
    """Move the rows that the server refuses to the reject file; return whether there are some."""
    tried = await _tried(connection, staging, request, intake, _TRIED)
    for found in tried:
        _reject(found, intake, stream, rejects)
    rows = ", ".join(str(found.row) for found in tried)
    if tried:
        await run(connection, f"delete from {staging.stage.sql} where {quote(ROW)} in ({rows})")  # noqa: S608
    return bool(tried)


async def _tried(
    connection: AsyncConnection, staging: Staging, request: Request, intake: Intake, limit: int
) -> list[Found]:
    """Return the rows that the server refuses when they are tried, up to `limit`."""
    refused = await Bisection(connection, staging, request.on_conflict, limit).refused()
    if not refused:
        return []
    number, stage = quote(ROW), staging.stage.sql
    numbers = ", ".join(str(one.row) for one in refused)
    statement = (
        f"select d.{number} as place, pg_catalog.row_to_json(d.*)::pg_catalog.text as record "  # noqa: S608
        f"from {stage} d where d.{number} in ({numbers})"
    )
    result = await connection.exec_driver_sql(statement)
    records = {row["place"]: str(row["record"]) for row in result.mappings()}
    found = []
    for one in refused:
        column = one.error.column or _column_of(one.error.constraint, intake)
        violation = Violation((column,) if column else (), _reason(one.error, intake), "")
        found.append(Found(one.row, records[one.row], violation))
    return found


def _reject(found: Found, intake: Intake, stream: Stream, rejects: RejectFile) -> None:
    fault = _fault_of_found(found, stream, intake)
    stream.faults.add([fault])
    rejects.reject(_record(found, intake), [fault])


def _fault_of_found(found: Found, stream: Stream, intake: Intake) -> Fault:
    file, number = stream.places.of(found.row)
    columns = [name for name in found.violation.columns if name in intake.given]
    record = loads(found.record)
    value: Any = [record[name] for name in columns]
    return Fault(
        file=file.label,
        row=number,
        column=", ".join(_field(name, intake) for name in columns) or None,
        value=shown(value[0] if len(columns) == 1 else value) if columns else None,
        reason=found.violation.reason,
    )


def _record(found: Found, intake: Intake) -> dict[str, Any]:
    """Return a row of the stage under the names of the file, without what the file did not have."""
    record = loads(found.record)
    missing = set(record.pop("dbctl_missing", None) or ())
    del record["dbctl_row"]
    return {
        _field(name, intake): value
        for place, (name, value) in enumerate(record.items())
        if place not in missing and (name in intake.given or value is not None)
    }


def _field(column: str, intake: Intake) -> str:
    return next((field for field, name in intake.fields.items() if name == column), column)


def _reason(error: CopyRefused, intake: Intake) -> str:
    table = intake.table
    constraint = error.constraint
    for check in table.checks:
        if check.name == constraint:
            return f"does not satisfy {check.name}: {check.expression}"
    match error.sqlstate:
        case "23505" if constraint is not None:
            return f"is in the table already, or twice in the files ({constraint})"
        case "23502":
            return "is null, which the column does not take"
        case _:
            return error.message.partition(": ")[2].removesuffix(f" (SQLSTATE {error.sqlstate})")


def _column_of(constraint: str | None, intake: Intake) -> str | None:
    """Return the column that a constraint is about, where it is about one only."""
    if constraint is None:
        return None
    table = intake.table
    about = {check.name: tuple[str | None, ...](check.columns) for check in table.checks}
    about |= {unique.name: unique.columns for unique in table.uniques}
    columns = about.get(constraint, ())
    return columns[0] if len(columns) == 1 else None


def _look_up(
    file: File, number: int, column: str | None, intake: Intake
) -> tuple[int | None, str | None]:
    """Read the file again for the line of a row and what it has for a column."""
    if not file.source.is_repeatable:
        return None, None
    for batch in file.read():
        if number not in batch.numbers:
            continue
        index = batch.numbers.index(number)
        row = batch.rows[index]
        fields = row if isinstance(row, dict) else dict(zip(file.fields, row, strict=False))
        value = next(
            (shown(v) for field, v in fields.items() if intake.fields.get(field) == column), None
        )
        return batch.line(index), value
    return None, None
