"""Turn what PostgreSQL's programs and the file system say into one clear error."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbctl.errors import ConnectionFailed, ErrorCode

ELSEWHERE = "or set DATABASE_URL to use another PostgreSQL"

_MEANINGFUL = re.compile(r"\b(FATAL|PANIC|ERROR|error):|could not|No space left")
_CONTINUATION = re.compile(r"\b(DETAIL|HINT|CONTEXT|STATEMENT):")
_LOG_PREFIX = re.compile(r"^.*?\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] ")
_HINTS = (
    (
        re.compile(r"No space left|File too large|quota exceeded|SIGXFSZ"),
        "Free some space there, set DBCTL_STATE_DIR to a folder with more of it,",
    ),
    (
        re.compile(
            r"Read-only file system|Permission denied|Not a directory|Operation not permitted"
        ),
        "Make the folder writable, set DBCTL_STATE_DIR to one that is (root's server runs as an "
        "unprivileged user, who has to be able to enter every folder above it),",
    ),
    (
        re.compile(r"incompatible with server"),
        "Set DB_PG_BINDIR to the bin folder of the PostgreSQL that made these files,",
    ),
    (
        re.compile(r"could not look up effective user ID"),
        "Give this user id an entry in /etc/passwd,",
    ),
)


def embedded_failure(message: str, *, hint: str | None = None) -> ConnectionFailed:
    """Build the error of an embedded server that cannot be used; the default hint fits the text."""
    if hint is None:
        action = next((text for pattern, text in _HINTS if pattern.search(message)), None)
        hint = f"{action} {ELSEWHERE}." if action else "Set DATABASE_URL to use another PostgreSQL."
    return ConnectionFailed(message, hint=hint, code=ErrorCode.EMBEDDED_FAILED)


@contextmanager
def os_errors_explained(folder: Path) -> Iterator[None]:
    """Raise an OSError from the block as an embedded failure that names the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise embedded_failure(
            f"The embedded PostgreSQL cannot use {error.filename or folder}: {reason}."
        ) from error


def essence(output: str, *, lines: int = 3) -> str:
    """Return the last meaningful lines of a program's output as one line, or an empty text."""
    found: list[str] = []
    explains_a_found_one = False
    for line in map(str.strip, output.splitlines()):
        if _CONTINUATION.search(line):
            meaningful = explains_a_found_one
        else:
            meaningful = explains_a_found_one = _MEANINGFUL.search(line) is not None
        if meaningful:
            found.append(line)
    return " ".join(_LOG_PREFIX.sub("", line) for line in found[-lines:])
