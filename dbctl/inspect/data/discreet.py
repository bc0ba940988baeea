"""Errors of the server whose words may hold a value that is masked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from dbctl.errors import ErrorCode, OperationFailed

# PostgreSQL's error classes that tell of the server and the session, never of a value.
_TELLING = ("08", "25", "40", "53", "55", "57", "58", "XX")
_NO_PRIVILEGE = "42501"


@contextmanager
def discreet(private: bool) -> Iterator[None]:
    """Keep back what the server says of a failed statement, where it read what is masked.

    `invalid input syntax for type integer: "hunter2"` tells the value. Raises OperationFailed.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if not private or state == _NO_PRIVILEGE or state.startswith(_TELLING):
            raise
        raise OperationFailed(
            f"the server could not finish the statement (SQLSTATE {state}); what it says is kept"
            " back, since it may hold a value that is masked",
            hint="--reveal shows it.",
            code=ErrorCode.QUERY_FAILED,
        ) from None
