"""The file of the rows that were not loaded: to be mended and loaded again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

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
    of JSON columns, which CSV has as text. Raises UsageError where it cannot be written.
    """

    def __init__(self, path: Path, json_fields: frozenset[str]) -> None:
        self.path = path
        self.rows = 0
        self._json_fields = json_fields
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}",
                hint="Name a file in a folder that is there and may be written to.",
            ) from error
        self._temporary = Path(name)
        self._stream: IO[str] = os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stream.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()

    def restart(self) -> None:
        """Forget all rows."""
        self.rows = 0
        self._stream.seek(0)
        self._stream.truncate()

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
        self._stream.write(f"{dumps(record | {REASON: told})}\n")
        self.rows += 1

    def keep(self) -> None:
        """Put the file in its place, where rows were rejected."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        if self.rows:
            self._temporary.replace(self.path)

    def _unwrapped(self, field: str, value: Any) -> Any:
        if field in self._json_fields and isinstance(value, str):
            with contextlib.suppress(ValueError, RecursionError):
                return loads(value)
        return value
