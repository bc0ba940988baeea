"""What is wrong with the revision files of a checkout as a whole, by the names of the files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from dbctl.db.names import listed

# What Alembic only warns of: of two files with one id it takes either, and without a parent it
# fails later.
_WARNINGS = re.compile("is present more than once|is not present")
_QUOTED = re.compile("'([^']*)'")
_HINT = "Correct `revision`, `down_revision` and `branch_labels` there."
_WORD = re.compile(r"[^\s,()'\"]+")


class FilesError(Exception):
    """The revision files do not fit together; says which, and has the `hint`."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@contextmanager
def fitting(scripts: ScriptDirectory, folder: Path) -> Iterator[None]:
    """Read every file in the body; raises FilesError, with paths below `folder`.

    A file that cannot be loaded at all is left to the caller.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        error: Exception | None = None
        try:
            yield
        except (RevisionError, CommandError, KeyError) as raised:
            error = raised
    is_warned = False
    for each in warned:
        if _WARNINGS.search(str(each.message)):
            is_warned = True
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if error is not None or is_warned:
        fault = _fault(scripts, folder, error)
        if fault is not None:
            raise fault from error
        if error is not None:
            raise error


def _fault(scripts: ScriptDirectory, folder: Path, error: Exception | None) -> FilesError | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loaded = list(scripts._load_revisions())
        except RevisionError as unread:  # such as an id with a character that it cannot have
            named = _mentioning(scripts, folder, _QUOTED.findall(str(unread)))
            return FilesError(f"{unread}: {listed(named)}", _HINT) if named else None
        except Exception:  # the caller has seen it as well
            return None
    files: dict[str, list[str]] = {}
    labels: set[str] = set()
    for script in loaded:
        files.setdefault(script.revision, []).append(_below(script.path, folder))
        labels |= set(script.branch_labels or ())
    for revision, names in files.items():
        if len(names) > 1:
            return FilesError(
                f"the revision {revision} is in {len(names)} files: {listed(sorted(names))}",
                "Give one of them an id of its own (`revision = …`), and let it be known to those "
                "that come after it (`down_revision = …`).",
            )
    for script in loaded:
        own = _below(script.path, folder)
        for parent in _as_tuple(script.down_revision):
            if parent not in files:
                return FilesError(
                    f"{own} comes after the revision {parent}, which no file has",
                    f"Restore the file of {parent}, or correct `down_revision` in {own}.",
                )
        for needed in _as_tuple(script.dependencies):
            if needed not in labels and not any(name.startswith(needed) for name in files):
                return FilesError(
                    f"{own} depends on the revision {needed}, which no file has",
                    f"Restore the file of {needed}, or correct `depends_on` in {own}.",
                )
    if not isinstance(error, RevisionError):
        return None
    words = set(_WORD.findall(str(error)))
    named = sorted(
        name for each in loaded if each.revision in words for name in files[each.revision]
    )
    return FilesError(f"{str(error).rstrip('.')}: {listed(named)}" if named else str(error), _HINT)


def _mentioning(scripts: ScriptDirectory, folder: Path, ids: Sequence[str]) -> list[str]:
    """Return the files in which one of the `ids` is written."""
    return sorted(
        _below(str(file), folder)
        for place in scripts._version_locations
        for file in Path(place).glob("*.py")
        if any(id_ in file.read_text(errors="replace") for id_ in ids if len(id_) > 1)
    )


def _as_tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _below(path: str, folder: Path) -> str:
    own = Path(path)
    return str(own.relative_to(folder) if own.is_relative_to(folder) else own)


def file_of(script: Script, folder: Path) -> str:
    """Return the file of a revision for people, below `folder` where it is there."""
    return _below(script.path, folder)
