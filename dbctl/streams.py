"""Where a result goes: stdout, kept for it alone, or a file in its place."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Buffer, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

# The stdout that a command began with, which is for its result alone.
_reserved: ContextVar[TextIO | None] = ContextVar("reserved", default=None)
# The file that has it in place of stdout.
_file: ContextVar[Path | None] = ContextVar("file", default=None)


class _Tolerant(io.RawIOBase):
    """A descriptor that takes everything: where stderr cannot be written, nothing is reported."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Buffer) -> int:
        view = memoryview(data)
        try:
            return os.write(self._descriptor, view)
        except OSError:
            return len(view)


def prepare_streams() -> None:
    """Make the standard streams take every character, and what is closed a stream that fails.

    Something is opened in place of each that is closed, so that no socket gets its low number, to
    which somebody may write; of what is written to a closed stdout, the kernel says that it cannot
    be.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            # For stdout it is opened to read, so that writing fails.
            flags = os.O_WRONLY if name == "stderr" else os.O_RDONLY
            descriptor = os.open(os.devnull, flags)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Tolerant(sys.stderr.fileno())),
            encoding=sys.stderr.encoding,
            errors="backslashreplace",
            line_buffering=True,
            write_through=True,
        )


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


def write_exactly(stream: TextIO, text: str) -> None:
    """Write data, in UTF-8 except to a terminal: in another encoding values could change."""
    if is_unicode(stream) or stream.isatty() or not isinstance(stream, io.TextIOWrapper):
        stream.write(text)
    else:
        stream.flush()
        stream.buffer.write(text.encode(errors="backslashreplace"))


def is_unicode(stream: TextIO) -> bool:
    """Tell whether `stream` can be written any character."""
    return (stream.encoding or "utf-8").lower().startswith("utf")
