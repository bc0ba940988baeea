"""What can be wrong with a seed set or with a row of it."""

import asyncpg
from sqlalchemy.exc import DBAPIError, StatementError

from dbctl.db.failures import driver_error, first_line, sqlstate, statement_failed
from dbctl.errors import DbctlError, ErrorCode, FindingError, OperationFailed
from dbctl.redaction import scrub

# No such table, column, schema: the database is not the one that the models describe.
_OTHER_SCHEMA = {"42P01", "42703", "3F000"}
SAVEPOINT = (
    "Put what may fail in `async with session.begin_nested():`, of which the rest is independent."
)


class OtherSchema(FindingError):
    """The database lacks what a set fills."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "`dbctl migrate check` shows how the database differs from the models.",
    ) -> None:
        super().__init__(message, hint=hint)


class SetFault(OperationFailed):
    """A seed set does what it cannot; nothing of it is written."""


def row_refused(error: StatementError, row: str) -> DbctlError:
    """Say which row the server or the driver refuses, by which constraint, and why."""
    driver = driver_error(error)
    if not isinstance(error, DBAPIError):
        return SetFault(
            f"{row} cannot be written: {scrub(first_line(driver))}",
            hint="Give the value the type that the model has for it.",
        )
    failure = statement_failed(error)
    if not isinstance(failure, OperationFailed):
        return failure
    if not isinstance(driver, asyncpg.PostgresError):
        return SetFault(f"{row} cannot be written: {scrub(failure.message)}", hint=failure.hint)
    constraint = f" by {driver.constraint_name}" if driver.constraint_name else ""
    detail = driver.detail or ""
    detail = f": {detail}" if detail and detail.rstrip(".") not in failure.message else ""
    message = scrub(f"{row} is refused{constraint}: {failure.message}{detail}")
    if driver.sqlstate in _OTHER_SCHEMA:
        return OtherSchema(message)
    if is_aborted(error):
        return SetFault(f"{row} cannot be written: the set has let an error pass", hint=SAVEPOINT)
    return SetFault(message, hint="Correct the row in the set.", code=ErrorCode.QUERY_FAILED)


def lacks_schema(error: DBAPIError) -> bool:
    """Tell whether the server does not know a table or column that a statement names."""
    return sqlstate(error) in _OTHER_SCHEMA


def is_aborted(error: DBAPIError) -> bool:
    """Tell whether a statement has failed before, so that the transaction takes no other."""
    return sqlstate(error) == "25P02"
