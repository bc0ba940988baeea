"""Write the files of a plan: none of the project's is replaced, and a failure leaves nothing."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from dbctl.draft import drafted
from dbctl.errors import ConfigurationError, DbctlError, UsageError
from dbctl.init.pyproject import Tables, extended, new_project
from dbctl.init.results import InitFile
from dbctl.init.scaffold import NewFile

PYPROJECT = Path("pyproject.toml")
# What else names the dependencies of a project.
_PACKAGING = ("requirements.txt", "setup.py", "setup.cfg", "Pipfile", "environment.yml")

# The text of a file before and after, by its path; None where it is not there before.
type Texts = Mapping[Path, tuple[str | None, str]]


def texts_of(
    project: Path, files: Iterable[NewFile], tables: Tables, *, is_new: bool
) -> tuple[Texts, tuple[InitFile, ...]]:
    """Return the texts of the files to write, and those that are left because they are there.

    pyproject.toml comes last, for what it names is there then; that of a new project names the
    project as well. Raises ConfigurationError where it cannot be added to.
    """
    texts: dict[Path, tuple[str | None, str]] = {}
    left = []
    for file in files:
        if (reason := _in_the_way(project, file.path)) is None:
            texts[file.path] = (None, file.text)
        else:
            left.append(InitFile(path=str(file.path), action="leave", detail=reason))
    before = _read(project / PYPROJECT)
    names_project = is_new and not any((project / name).exists() for name in _PACKAGING)
    start = before or (new_project(project.name) if names_project and before is None else "")
    after = extended(start, tables)
    if after not in {before, ""}:
        texts[PYPROJECT] = (before, after)
    return texts, tuple(left)


def _in_the_way(project: Path, path: Path) -> str | None:
    """Return why a file cannot be created; None where it can."""
    if os.path.lexists(project / path):
        return "it is there already"
    for parent in path.parents[:-1]:
        if os.path.lexists(project / parent) and not (project / parent).is_dir():
            return f"{parent} is there, and is not a folder"
    return None


def _read(file: Path) -> str | None:
    if not os.path.lexists(file):
        return None
    try:
        return file.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read {file}: {error}", hint="Correct the file or remove it."
        ) from None


def outcomes(texts: Texts, tables: Tables, *, with_diffs: bool) -> tuple[InitFile, ...]:
    """Return what becomes of each file, where wanted with a unified diff."""
    keys = (
        f"{table}.{key} = {value}".removeprefix("tool.dbctl.")
        for table, pairs in tables.items()
        for key, value in pairs.items()
    )
    added = ", ".join(keys)
    return tuple(
        InitFile(
            path=str(path),
            action="create" if before is None else "extend",
            detail=added if path == PYPROJECT else None,
            diff=_diff(path, before, after) if with_diffs else None,
        )
        for path, (before, after) in texts.items()
    )


def _diff(path: Path, before: str | None, after: str) -> str:
    lines = difflib.unified_diff(
        (before or "").splitlines(keepends=True),
        after.splitlines(keepends=True),
        "/dev/null" if before is None else f"a/{path}",
        f"b/{path}",
    )
    no_newline = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else f"{line}{no_newline}" for line in lines)


def write(project: Path, texts: Texts) -> None:
    """Write every file; where one cannot be written, remove those that were.

    Raises UsageError or OperationFailed.
    """
    made: list[Path] = []
    try:
        for path, (before, text) in texts.items():
            file = project / path
            _make_folders(file.parent, made)
            with drafted(file) as draft:
                draft.write(text)
                draft.keep()
            if before is None:
                made.append(file)
    except DbctlError as error:  # whose hint is about a file that a user has named
        _remove(made)
        error.hint = f"Nothing of it was left; make sure that {project} can be written to."
        raise
    except BaseException:
        _remove(made)
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it that are missing, each noted in `made`."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        try:
            each.mkdir()
        except OSError as error:
            raise UsageError(f"cannot make the folder {each}: {error.strerror}") from error
        made.append(each)


def _remove(made: Sequence[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):  # the failure itself is reported
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
