"""The file of the rows that were not loaded: to be mended and loaded again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dbctl.draft import Draft, drafted
from dbctl.errors import UsageError
from dbctl.seed.load.exact import dumps, loads
from dbctl.seed.load.faults import Fault
from dbctl.seed.load.mapping import REASON


def refuse_target(path: Path, files: Sequence[str]) -> None:
    """Raise UsageError where `path` is one of the `files` that are read, or no file at all."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no file to write rows to", hint="Give --reject a file's name.")
    if any(path.exists() and Path(file).exists() and path.samefile(file) for file in files):
        raise UsageError(
            f"{path} is one of the files to load, which --reject would replace",
            hint="Name another file for the rows that are not loaded.",
        )


class RejectFile:
    """Write rejected rows as NDJSON, whole or not at all.

    Each line is the row as it stood in its file, with what is wrong with it under `dbctl_reject`,
    which loading ignores: mended, the file can be loaded as it is. `json_fields` names the fields
    of JSON columns, which CSV has as text.
    """

    def __init__(self, draft: Draft, json_fields: frozenset[str]) -> None:
        self.path = draft.file
        self.rows = 0
        self._draft = draft
        self._json_fields = json_fields

    @classmethod
    @contextmanager
    def at(cls, path: Path, json_fields: frozenset[str]) -> Iterator[Self]:
        """Yield a file that is to stand at `path`. Raises UsageError where there can be none."""
        with drafted(path, errors="backslashreplace") as draft:
            yield cls(draft, json_fields)

    def restart(self) -> None:
        """Forget all rows."""
        self.rows = 0
        self._draft.restart()

    def reject(self, row: Any, faults: Sequence[Fault]) -> None:
        """Write a row: an object, the fields of a CSV row, or the text of what is neither."""
        first = faults[0]
        told: dict[str, Any] = {"file": first.file, "row": first.row}
        if first.line is not None:
            told["line"] = first.line
        told["faults"] = [
            {"column": fault.column, "value": fault.value, "reason": fault.reason}
            for fault in faults
        ]
        record: dict[str, Any] = {}
        if isinstance(row, Mapping):
            record = {
                field: self._unwrapped(field, value)
                for field, value in row.items()
                if field != REASON
            }
        else:
            told["text"] = row
        self._draft.write(f"{dumps(record | {REASON: told})}\n")
        self.rows += 1

    def keep(self) -> None:
        """Put the file in its place, where rows were rejected."""
        if self.rows:
            self._draft.keep()

    def _unwrapped(self, field: str, value: Any) -> Any:
        if field in self._json_fields and isinstance(value, str):
            with contextlib.suppress(ValueError, RecursionError):
                return loads(value)
        return value
