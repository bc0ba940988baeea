"""A file that has the result in place of stdout: written whole, or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dbctl.errors import ExitCode, UsageError
from dbctl.output import cannot_write
from dbctl.streams import data_to

# Names of stdout itself, which programs print to instead.
_STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
# A finding is a whole result.
COMPLETE = frozenset({ExitCode.OK, ExitCode.FINDING})


@contextmanager
def written_to(
    file: Path | None, complete: frozenset[ExitCode] = COMPLETE
) -> Iterator[Callable[[ExitCode], ExitCode]]:
    """Let `file` have the result of the body; None is stdout.

    Yields a function that takes the exit code of the body and returns it: where that means a
    `complete` result, it stands in the file, flushed to disk, once that returns. A file that is
    there keeps its mode, and what a symbolic link leads to is replaced; a pipe or device is written
    to straight. Raises UsageError where there can be no such file.
    """
    if file is None or str(file) in _STDOUT:
        yield lambda code: code
        return
    if _is_special(file):
        with _opened(file, file, os.O_WRONLY) as stream, data_to(file, stream):
            yield lambda code: code
        return
    target = file.resolve()
    temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    with _opened(file, temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as stream:
        try:
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))

            def keep(code: ExitCode) -> ExitCode:
                if code in complete:
                    _put(stream, temporary, target)
                return code

            with data_to(file, stream):
                yield keep
        finally:
            temporary.unlink(missing_ok=True)


def _is_special(target: Path) -> bool:
    """Tell whether `target` is a pipe or a device. Raises UsageError where it cannot be written."""
    if target.is_dir():
        raise UsageError(f"{target} is a folder", hint="Give --output the name of a file in it.")
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(
            f"{target} may not be written to", hint="Name another file, or change its mode."
        )
    return target.exists() and not target.is_file()


@contextmanager
def _opened(file: Path, path: Path, flags: int) -> Iterator[TextIO]:
    try:
        stream = os.fdopen(os.open(path, flags, 0o666), "w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(
            f"cannot write {file}: {error.strerror}",
            hint="Name a file in a folder that is there and may be written to.",
        ) from error
    try:
        yield stream
    finally:
        with suppress(OSError):  # of what cannot be written, it was told
            stream.close()


def _put(stream: TextIO, temporary: Path, target: Path) -> None:
    """Put a file that is written into its place, safe from a crash of the machine."""
    try:
        stream.flush()
        os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise cannot_write(error) from error
