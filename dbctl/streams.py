"""Where a result goes: stdout, kept for it alone, or a file in its place."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

# The stdout that a command began with, which is for its result alone.
_reserved: ContextVar[TextIO | None] = ContextVar("reserved", default=None)
# The file that has it in place of stdout.
_file: ContextVar[Path | None] = ContextVar("file", default=None)


def prepare_streams() -> None:
    """Give a null device to each standard stream that is closed, and let no character fail one.

    The devices also keep the low file numbers from a socket that somebody writes to by number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def reserved_stdout() -> Iterator[None]:
    """Keep stdout for the result while a command runs: what anything else prints goes to stderr.

    A project's revisions, env.py and models may print, and so may the programs that they start; a
    script reads the result nevertheless.
    """
    stdout = sys.stdout
    with _apart(stdout) as data:
        _reserved.set(data)
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            _reserved.set(stdout)


@contextmanager
def _apart(stream: TextIO) -> Iterator[TextIO]:
    """Yield what writes to where `stream` does, and lead the process's descriptor 1 to stderr."""
    try:
        is_process_wide = stream.fileno() == 1
    except (OSError, ValueError):  # a stream in memory, or one that is closed
        is_process_wide = False
    if not is_process_wide:
        yield stream
        return
    stream.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    data = open(kept, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
    try:
        yield data
    finally:
        with suppress(OSError):  # whoever reads it has gone, and was told so
            data.flush()
        os.dup2(kept, 1)
        os.close(kept)


def command_began() -> bool:
    """Tell whether a command has had stdout for itself, so that no more help can come there."""
    return _reserved.get() is not None


@contextmanager
def data_to(file: Path, stream: TextIO) -> Iterator[None]:
    """Let `stream`, which writes to `file`, have the result while the body runs."""
    stdout, name = _reserved.set(stream), _file.set(file)
    try:
        yield
    finally:
        _file.reset(name)
        _reserved.reset(stdout)


def data_file() -> Path | None:
    """Return the file that has the result, None for stdout."""
    return _file.get()


def data_stream() -> TextIO:
    """Return what the result is written to."""
    return _reserved.get() or sys.stdout


def is_unicode(stream: TextIO) -> bool:
    """Tell whether `stream` can be written any character."""
    return (stream.encoding or "utf-8").lower().startswith("utf")
