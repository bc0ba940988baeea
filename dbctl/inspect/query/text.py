"""The text of a query: an argument, a file, or stdin."""

import sys
from pathlib import Path

from dbctl.errors import UsageError
from dbctl.inspect.query.statement import LONGEST

_STDIN = "-"
# Bytes; one more than any text that is read can have.
_MOST = 4 * LONGEST + 1


def text_of(sql: str | None, file: Path | None) -> str:
    """Return the text that the command line gives or names; stdin for `-` and for nothing.

    Raises UsageError where there is none, or more than one, or it cannot be read.
    """
    if sql is not None and file is not None:
        raise UsageError("a statement and --file do not go together", hint="Leave one of them out.")
    if sql is not None and sql != _STDIN:
        return sql
    if file is not None and str(file) != _STDIN:
        try:
            with file.open("rb") as stream:
                return _decoded(stream.read(_MOST), str(file))
        except OSError as error:
            raise UsageError(
                f"cannot read {file}: {error.strerror}", hint="Name a file of SQL."
            ) from error
    if sql is None and file is None and sys.stdin.isatty():
        raise UsageError(
            "there is no statement",
            hint='dbctl inspect query "SELECT 1", --file FILE, or SQL on stdin.',
        )
    return _decoded(sys.stdin.buffer.read(_MOST), "stdin")


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(data) == _MOST:  # cut within a character; it is too long anyway
            return data.decode("utf-8-sig", errors="replace")
        raise UsageError(
            f"{name} is not UTF-8, at byte {error.start + 1:,}", hint="Save it as UTF-8."
        ) from None
