"""What a run of `dbctl seed load` is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dbctl.seed.load.forms import Form
from dbctl.seed.load.notation import Notation


class OnConflict(StrEnum):
    """What becomes of a row whose key the table has already."""

    FAIL = "fail"
    SKIP = "skip"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Request:
    """The files, the table they go into, and how.

    `form` None is found out file by file; `conflict_key` is a list of columns or the name of a
    unique index, as typed; `reject` is where the rows go that are not loaded.
    """

    files: tuple[str, ...]
    into: str
    form: Form | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    null: str | None = None
    force_null: bool = False
    key: str | None = None
    renames: tuple[str, ...] = ()
    on_conflict: OnConflict = OnConflict.FAIL
    conflict_key: str | None = None
    reject: Path | None = None
    notation: Notation = field(default_factory=Notation)
