"""What `health serve` returns at its end."""

from collections.abc import Iterable, Mapping, Sequence
from signal import Signals

from pydantic import BaseModel, Field

from dbctl.errors import ExitCode
from dbctl.interruption import EXIT_CODES
from dbctl.results import Result


class Answered(BaseModel):
    """How often a path was answered with a status code."""

    path: str
    status: int
    count: int


class Served(Result):
    """What was served at `url`, for `seconds`, until a signal ended it."""

    url: str
    seconds: float
    answers: tuple[Answered, ...]
    stopped_by: Signals | None = Field(exclude=True)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the signal: it ends what would go on for ever."""
        return ExitCode.OK if self.stopped_by is None else EXIT_CODES[self.stopped_by]

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per path and status."""
        return [each.model_dump() for each in self.answers]

    def columns(self) -> Sequence[str]:
        """Name the columns."""
        return list(Answered.model_fields)
