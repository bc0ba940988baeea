"""Which file a revision was applied from: the SHA-256 of its bytes."""

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of the file's bytes in hexadecimal, as `sha256sum` prints it."""
    return _digest(path.read_bytes())


def is_same(path: Path, sha256: str) -> bool:
    """Return whether the file is the one of that fingerprint, whatever its line ends are.

    Git may check it out with others on another system, and Python reads all of them alike.
    """
    data = path.read_bytes()
    unix = data.replace(b"\r\n", b"\n")
    return sha256 in map(_digest, (data, unix, unix.replace(b"\n", b"\r\n")))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
