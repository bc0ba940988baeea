"""What an earlier run found out: small files in the user's cache, which may be gone any time."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from dbctl.draft import drafted
from dbctl.errors import DbctlError


def cache_folder() -> Path:
    """Return the folder, which need not exist."""
    from platformdirs import user_cache_path

    return user_cache_path("dbctl", appauthor=False)


def digest(*parts: str) -> str:
    """Return a name for a file that stands for `parts`."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def load(path: Path) -> object:
    """Return the document that `path` holds, None where it holds none that can be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def save(path: Path, document: object) -> None:
    """Put a document into `path`, whole, for this user alone.

    Nothing happens where the folder cannot be written to: a later run finds it out again.
    """
    with suppress(OSError, DbctlError):
        for folder in (path.parents[1], path.parent):  # of several, mkdir gives one the mode
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with drafted(path, mode=0o600, errors="surrogateescape") as draft:
            draft.write(json.dumps(document, ensure_ascii=False))
            draft.keep()
