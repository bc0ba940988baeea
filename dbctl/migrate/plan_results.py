"""What planning and linting revisions finds out, as every format shows it."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, computed_field

from dbctl.errors import ExitCode
from dbctl.migrate.plan_script import script
from dbctl.migrate.results import Direction
from dbctl.migrate.severity import Severity
from dbctl.migrate.statements import LockLevel, Work
from dbctl.results import Result

_PREFIX = 8


class Kind(StrEnum):
    """Who asks for a statement: the revision, whoever keeps the version, or a transaction."""

    REVISION = "revision"
    BOOKKEEPING = "bookkeeping"
    TRANSACTION = "transaction"


class _Part(BaseModel):
    """A part of a result."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class TableLock(_Part):
    """A lock that a statement takes; `blocks` says whose statements wait for it.

    `reason` says why, where the text of the statement does not name the table; `certain` is False
    where only the rows decide. `rows`, an estimate, and `bytes`, with the indexes, are None where
    nothing measures them.
    """

    table: str
    level: LockLevel
    blocks: str
    reason: str | None = None
    certain: bool = True
    rows: int | None = None
    bytes: int | None = None


class DataLoss(_Part):
    """What a statement drops with the rows in it: a table, or one column of it.

    `oid` is that of the table, None where the database does not have it.
    """

    table: str
    column: str | None
    oid: int | None = Field(default=None, exclude=True)


class PlannedStatement(_Part):
    """One statement, without the semicolon that ends it, and what it does to those who wait.

    `line` is the one of the revision's file, `transactional` tells whether a transaction is open
    around it. Where `known` is false, nothing could
    be told of it; so it is of no statement but the revision's own. `refused` says why the server
    will not run it there.
    """

    sql: str
    kind: Kind
    line: int | None
    transactional: bool
    locks: tuple[TableLock, ...] = ()
    work: Work = Work.NONE
    losses: tuple[DataLoss, ...] = ()
    note: str = ""
    index: str | None = None
    known: bool = True
    refused: str | None = None


class PlannedRevision(_Part):
    """One revision with its statements, or with the reason why they are not known.

    `sha256` is of the file, `line` where in it the reason lies.
    """

    revision: str
    message: str
    path: str
    sha256: str
    rendered: bool
    reason: str | None
    line: int | None
    statements: tuple[PlannedStatement, ...]


class Plan(Result):
    """The exact SQL of a run that was not made; `hash` is of what it would run, and from where.

    `preamble` is what dbctl itself runs before the first revision. There is no hash, and nothing to
    agree to, where the server is bound to refuse a statement. `databases` has a plan for each where
    env.py configures several; the fields beside it are then those of all.
    """

    database: str
    direction: Direction
    before: tuple[str, ...]
    after: tuple[str, ...]
    hash: str | None
    preamble: str
    revisions: tuple[PlannedRevision, ...]
    databases: tuple["Plan", ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sql(self) -> str:
        """The whole as a script for psql, with what is to be known of each statement."""
        return script(self)

    @property
    def refused(self) -> tuple[PlannedStatement, ...]:
        """The statements that the server will not run where they stand."""
        return tuple(
            statement
            for revision in self.revisions
            for statement in revision.statements
            if statement.refused
        )

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per statement, and one for a revision that cannot be rendered."""
        for revision in self.revisions:
            facts = {
                "revision": revision.revision,
                "message": revision.message,
                "path": revision.path,
                "reason": revision.reason,
            }
            if not revision.rendered:
                yield dict.fromkeys(self.columns()) | facts | {"line": revision.line}
            for statement in revision.statements:
                yield facts | statement.model_dump(mode="json")

    def columns(self) -> Sequence[str]:
        """Name the columns, which a plan with nothing to do has as well."""
        return ["revision", "message", "path", "reason", *PlannedStatement.model_fields]

    def matches(self, given: str) -> bool:
        """Tell whether `given` is the hash of this plan, or at least its first 8 digits."""
        given = given.strip().lower()
        return len(given) >= _PREFIX and (self.hash or "").startswith(given)


class EstimatedLoss(DataLoss):
    """What a downgrade drops, and about how many rows it holds; None where nobody knows."""

    rows: int | None


class Downgrade(Result):
    """What a downgrade of the database `name` would run, and what would be lost with it.

    `untold` are the revisions that may lose more than their text tells.
    """

    name: str
    plan: Plan
    losses: tuple[EstimatedLoss, ...]
    untold: tuple[str, ...]


class Finding(_Part):
    """What a rule says of a statement of a revision, or of a comment that is to ignore one.

    `file` is relative to the project where it lies in it; `line` is None where the statement is
    not issued in the revision's own file. `sql` is the line of the statement that is meant.
    """

    revision: str
    file: str
    line: int | None
    rule: str
    level: Severity
    message: str
    help: str | None = None
    sql: str | None = None


class Ignored(_Part):
    """A finding that a comment in the revision ignores, and the reason that it gives."""

    revision: str
    file: str
    line: int | None
    rule: str
    reason: str


class Skipped(_Part):
    """A revision that could not be linted, since its SQL is not known."""

    revision: str
    file: str
    line: int | None
    reason: str


class LintReport(Result):
    """What squawk finds in `revisions` revisions; from the severity `fail_on` on it fails."""

    revisions: int
    fail_on: Severity
    findings: tuple[Finding, ...]
    ignored: tuple[Ignored, ...]
    skipped: tuple[Skipped, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def passed(self) -> bool:
        """Whether no finding is as bad as `fail_on`."""
        return not any(found.level in self.fail_on.reached_by for found in self.findings)

    @property
    def exit_code(self) -> ExitCode:
        """Zero only where it passed."""
        return ExitCode.OK if self.passed else ExitCode.FINDING

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return one row per finding."""
        return [finding.model_dump(mode="json") for finding in self.findings]

    def columns(self) -> Sequence[str]:
        """Name the columns, which a clean project has as well."""
        return list(Finding.model_fields)
