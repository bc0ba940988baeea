"""What loading returns."""

from collections.abc import Iterable, Mapping

from dbctl.errors import ExitCode
from dbctl.results import FallibleResult, Result


class LoadedFile(Result):
    """One file, and how many rows it has, those at fault included."""

    name: str
    form: str
    rows: int


class MappedField(Result):
    """A field of the files, and the column that it goes into."""

    field: str
    column: str


class RowFault(Result):
    """What is wrong with a row; `row` and `line` count from 1, `value` is shortened."""

    file: str
    row: int
    line: int | None
    column: str | None
    value: str | None
    reason: str


class LoadResult(FallibleResult):
    """What became of the rows of the files.

    With `plan` nothing was written, and `inserted` counts the rows that are sound. `superseded`
    counts rows after which another one with the same key came. `faults` are the first of
    `fault_count`. A run that rejects rows ends with 1.
    """

    table: str
    database: str
    plan: bool
    files: tuple[LoadedFile, ...]
    mapping: tuple[MappedField, ...]
    rows: int
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    superseded: int = 0
    rejected: int = 0
    reject_file: str | None = None
    fault_count: int = 0
    all_faults_counted: bool = True
    faults: tuple[RowFault, ...] = ()
    sequences: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def exit_code(self) -> ExitCode:
        """The code of the error, or that of a finding where rows were rejected."""
        if self.error is not None:
            return self.error.exit_code
        return ExitCode.FINDING if self.rejected else ExitCode.OK

    @property
    def rate(self) -> float:
        """The rows read in a second."""
        return self.rows / self.seconds if self.seconds else 0.0

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return the faults where there are some, and the result itself where there is none."""
        if self.fault_count:
            return [fault.model_dump(mode="json") for fault in self.faults]
        return [self.model_dump(mode="json", exclude={"faults", "error"})]
