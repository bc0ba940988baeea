"""What `dbctl init` returns."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from dbctl.init.found_results import Found
from dbctl.results import Result


class InitFile(Result):
    """A file of the project: what was done to it, or would be; `path` is relative to the project.

    `detail` says why it was left, or which keys were added; `diff` is there in a dry run.
    """

    path: str
    action: Literal["create", "extend", "leave"]
    detail: str | None = None
    diff: str | None = None


class NextStep(Result):
    """What to do next; `command` is ready for the shell, None where a file is to be edited."""

    command: str | None
    purpose: str


class Init(Result):
    """A project as it was found, and what was written for dbctl.

    `kind` is `existing` where there was an Alembic configuration. `changed` is False where nothing
    was to do; in a dry run it says whether anything would be.
    """

    project: Path
    kind: Literal["new", "existing"]
    dry_run: bool
    changed: bool
    found: Found
    files: tuple[InitFile, ...]
    next: tuple[NextStep, ...]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the files."""
        return [file.model_dump() for file in self.files]
