"""Files that are written whole or not at all: beside their place first, and then put there.

A run that is killed leaves its draft behind. Each is locked for as long as its writer lives: the
next run that writes into the folder removes those that are not.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbctl.errors import OperationFailed, UsageError

_MARK = ".dbctl-"
_DRAFTS = f".*{_MARK}{'[0-9a-f]' * 8}"
_SCRATCH = "dbctl-scratch-"
# Bytes of a file's name that its draft keeps: a name has 255 at most.
_KEPT = 200


class Draft:
    """The text that is going to stand in `file`.

    Whatever cannot be written raises OperationFailed.
    """

    def __init__(self, file: Path, target: Path, path: Path, descriptor: int, errors: str) -> None:
        self.file = file
        self.stream = os.fdopen(descriptor, "w", encoding="utf-8", errors=errors, newline="")
        self._target = target
        self._path = path

    def write(self, text: str) -> None:
        """Write some text."""
        with worded(self.file):
            self.stream.write(text)

    def restart(self) -> None:
        """Forget what was written."""
        with worded(self.file):
            self.stream.seek(0)
            self.stream.truncate()

    def keep(self) -> None:
        """Put the file in its place, safe from a crash of the machine."""
        with worded(self.file):
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self._path.replace(self._target)


@contextmanager
def drafted(file: Path, *, mode: int | None = None, errors: str = "strict") -> Iterator[Draft]:
    """Yield a draft of `file`, which is gone at the end unless it was kept.

    A file that is there keeps its mode, and what a symbolic link leads to is replaced. A new one
    gets `mode`, or what the process gives its files. Raises UsageError where there can be none.
    """
    try:
        target = file.resolve()
        for left in _left_behind(target.parent, _DRAFTS):
            left.unlink()
        path, descriptor = _created(target, 0o666 if mode is None else mode)
    except OSError as error:
        raise UsageError(
            f"cannot write {file}: {error.strerror}",
            hint="Name a file in a folder that is there and may be written to.",
        ) from error
    draft = Draft(file, target, path, descriptor, errors)
    try:
        if mode is None and target.exists():
            path.chmod(stat.S_IMODE(target.stat().st_mode))
        yield draft
    finally:
        with suppress(OSError):  # what cannot be written was reported
            draft.stream.close()
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for temporary files, which is gone at the end, and those of killed runs too.

    Raises OperationFailed where there can be none.
    """
    import shutil  # only what runs a foreign env.py needs them
    import tempfile

    try:
        place = Path(tempfile.gettempdir())
        for left in _left_behind(place, _SCRATCH + "????????"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=place))
    except OSError as error:
        raise OperationFailed(
            f"cannot make a temporary folder: {error.strerror or error}",
            hint="Name a folder that may be written to with TMPDIR.",
        ) from error
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _locked(descriptor)
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def worded(file: Path) -> Iterator[None]:
    """Turn an OSError of the body into an OperationFailed."""
    try:
        yield
    except OSError as error:
        raise cannot_write(file, error) from error


def cannot_write(file: Path, error: OSError) -> OperationFailed:
    """Describe why `file` cannot be written."""
    return OperationFailed(
        f"cannot write {file}: {error.strerror or error}",
        hint="Nothing is left of it; name a file in another place.",
    )


def _created(target: Path, mode: int) -> tuple[Path, int]:
    """Create a draft of `target` and lock it."""
    kept = os.fsdecode(os.fsencode(target.name)[:_KEPT])
    while True:
        path = target.with_name(f".{kept}{_MARK}{secrets.token_hex(4)}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        _locked(descriptor)
        if path.exists():  # else another run took it for left behind before it was locked
            return path, descriptor
        os.close(descriptor)


def _left_behind(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield what runs of this user that were killed have left; each is locked meanwhile."""
    for path in folder.glob(pattern):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _locked(descriptor):
                    yield path
            finally:
                os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock a file and return whether nobody else has; where there are no locks, nobody is known."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
