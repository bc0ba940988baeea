"""The folders and locks that an embedded server needs on disk.

Nothing here changes the mode or owner of anything that dbctl did not make.
"""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from dbctl.db.pgfailures import embedded_failure
from dbctl.db.pgprocess import Account

POLL_SECONDS = 0.01


def make_folders(path: Path, mode: int) -> None:
    """Make `path` and its missing ancestors with exactly `mode`, whatever the umask."""
    missing = takewhile(lambda folder: not folder.exists(), (path, *path.parents))
    for folder in reversed(list(missing)):
        with suppress(FileExistsError):
            folder.mkdir(mode)
            folder.chmod(mode)


def make_service_folder(path: Path, owner: Account) -> None:
    """Make `path` as a private folder of `owner`, inside a folder that is the caller's own."""
    with suppress(FileExistsError):
        path.mkdir(0o700)
    if not owner.is_caller and path.lstat().st_uid == os.geteuid():
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def is_private(path: Path, owner_uid: int, mode: int = 0o700) -> bool:
    """Tell whether `path` is a real folder of `owner_uid` that grants no more than `mode`."""
    try:
        found = path.lstat()
    except OSError:
        return False
    allowed = stat.S_IMODE(found.st_mode) & ~mode == 0
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner_uid and allowed


def make_socket_folder(path: Path, owner: Account) -> None:
    """Make `path` and its parent so that no other user can put a socket there, or refuse.

    Both lie below /tmp, where anyone may have made something of that name before. For root the
    parent is root's and can be passed through, the folder itself belongs to `owner`.
    """
    passable = 0o700 if owner.is_caller else 0o711
    with suppress(FileExistsError):
        path.parent.mkdir(0o700)
    _refuse_unless_private(path.parent, os.geteuid(), passable)
    path.parent.chmod(passable)
    make_service_folder(path, owner)
    _refuse_unless_private(path, owner.uid, 0o700)


def _refuse_unless_private(path: Path, owner_uid: int, mode: int) -> None:
    if not is_private(path, owner_uid, mode):
        raise embedded_failure(
            f"The socket folder {path} is not safe: it has to be a real folder (no link) that "
            f"belongs to user id {owner_uid} with mode {mode:04o}.",
            hint=f"See who made it (ls -ld {path}), then remove it: dbctl makes it anew.",
        )


def sync_folder(path: Path) -> None:
    """Make renames inside `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the exclusive lock on `path`; return its file descriptor, or None when it is held.

    The lock lives as long as any copy of the descriptor, in this process or in one that inherited
    it: close it, never unlock it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    taken = False
    try:
        taken = _flock(descriptor, fcntl.LOCK_EX)
    finally:
        if not taken:
            os.close(descriptor)
    return descriptor if taken else None


def is_locked(path: Path) -> bool:
    """Tell whether some process holds the lock on `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[int]:
    """Hold the exclusive lock on `path` during the block, which gets its file descriptor."""
    deadline = time.monotonic() + timeout
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise embedded_failure(
                f"Another dbctl has been starting or stopping this server for {timeout:.0f} s.",
                hint=f"Wait and try again, or see which process holds {path} (lsof) and end it.",
            )
        time.sleep(POLL_SECONDS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True
