"""A file that has the result in place of stdout: written whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from dbctl.draft import drafted
from dbctl.errors import ExitCode, UsageError
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
        with _opened(file) as stream, data_to(file, stream):
            yield lambda code: code
        return
    with drafted(file) as draft:

        def keep(code: ExitCode) -> ExitCode:
            if code in complete:
                draft.keep()
            return code

        with data_to(file, draft.stream):
            yield keep


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
def _opened(file: Path) -> Iterator[TextIO]:
    try:
        stream = file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(
            f"cannot write {file}: {error.strerror}", hint="Name another file."
        ) from error
    try:
        yield stream
    finally:
        with suppress(OSError):  # what cannot be written was reported
            stream.close()
