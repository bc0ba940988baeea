"""The session that a set is handed: of the one transaction, which is not the set's to end."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from dbctl.seed.sets.faults import SetFault

# Told before the server has it: after a COMMIT there is nothing left to undo.
_ENDS = re.compile(
    r"(commit|end|abort|begin|start|prepare(?!\s+(?!transaction\b)[\w\"])"
    r"|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)
_READS = re.compile(r"(select|savepoint|release|rollback)\b", re.IGNORECASE)
_GAP = re.compile(r"^(?:[\s;]|--[^\r\n]*+)*+")
_COMMENT = re.compile(r"/\*|\*/")


class SeedSession(AsyncSession):
    """A session for queries; what a set wants to write it yields.

    `fault` is what the set did that it may not, whether or not it let the error through; `running`
    tells the set's own statements from those that write what it has yielded.
    """

    fault: SetFault | None = None
    running = False

    def refuse(self, what: str, hint: str) -> NoReturn:
        """Raise a SetFault, and remember it."""
        self.fault = SetFault(what, hint=hint)
        raise self.fault

    def refuse_end(self, what: str) -> NoReturn:
        """Raise a SetFault for ending the transaction."""
        self.refuse(
            f"it calls {what}",
            "Leave it out: dbctl commits when the whole set is written, and else nothing.",
        )

    def check(self) -> None:
        """Raise a SetFault for whatever the set did that it may not."""
        if self.fault is not None:
            raise self.fault
        self.refuse_pending()

    def refuse_pending(self) -> None:
        """Raise a SetFault where the set has added, changed or deleted rows by itself."""
        session = self.sync_session
        if session.new or session.deleted or any(map(session.is_modified, session.dirty)):
            self.refuse(
                "it adds, changes or deletes rows in the session",
                "Yield the rows instead: dbctl finds, creates or updates them.",
            )

    async def commit(self) -> None:
        """Refuse it."""
        self.refuse_end("session.commit()")

    async def rollback(self) -> None:
        """Refuse it."""
        self.refuse_end("session.rollback()")


@asynccontextmanager
async def handed_out(
    connection: AsyncConnection, on_write: Callable[[], None]
) -> AsyncIterator[SeedSession]:
    """Yield a session in the transaction of `connection`, which it cannot end.

    `on_write` is called before a statement of the set that may write.
    """
    session = SeedSession(bind=connection, expire_on_commit=False, autoflush=False)

    def flushed(*_arguments: object) -> None:
        session.refuse_pending()

    def sent(_connection: Connection, _cursor: object, statement: str, *_arguments: object) -> None:
        bare = _from_first_word(statement)
        if found := _ENDS.match(bare):
            session.refuse_end(found[1].upper())
        if session.running and not _READS.match(bare):
            on_write()

    def ended(_connection: Connection) -> None:
        session.refuse_end("commit() or rollback() of the connection")

    listeners: list[tuple[Any, str, Any]] = [
        (session.sync_session, "before_flush", flushed),
        (connection.sync_connection, "before_cursor_execute", sent),
        (connection.sync_connection, "commit", ended),
        (connection.sync_connection, "rollback", ended),
    ]
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield session
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)
        with suppress(DBAPIError):  # of a connection that is lost
            await session.close()


def _from_first_word(statement: str) -> str:
    """Return a statement without the comments before it."""
    rest = _GAP.sub("", statement, count=1)
    while rest.startswith("/*"):
        rest = _GAP.sub("", rest[_end_of_comment(rest) :], count=1)
    return rest


def _end_of_comment(text: str) -> int:
    """Return where the comment ends that `text` begins with; in PostgreSQL they nest."""
    depth = 0
    for mark in _COMMENT.finditer(text):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)
