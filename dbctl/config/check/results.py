"""What `config --check` returns: one line for everything that was looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from dbctl.errors import ExitCode
from dbctl.results import Result


class Verdict(StrEnum):
    """What was seen of a subject; `not_checked` where it could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    OBSTACLE = "obstacle"
    NOT_CHECKED = "not_checked"


class Subject(StrEnum):
    """What is looked at, in the order in which it is shown."""

    SETTINGS = "settings"
    LIBRARIES = "libraries"
    ALEMBIC = "alembic"
    REVISIONS = "revisions"
    DRIVER = "driver"
    CONNECTION = "connection"
    SERVER = "server"
    ENV_PY = "env.py"
    POOLER = "pooler"
    VERSION = "version"
    PRIVILEGES = "privileges"
    MODELS = "models"


class Problem(StrEnum):
    """The closed set of values that `code` takes in JSON output."""

    SETTING_INVALID = "setting_invalid"
    SETTING_UNKNOWN = "setting_unknown"
    DATABASE_UNSET = "database_unset"
    CONNECTION_STRING_INVALID = "connection_string_invalid"
    LIBRARY_MISSING = "library_missing"
    LIBRARY_TOO_OLD = "library_too_old"
    LIBRARY_UNTESTED = "library_untested"
    ALEMBIC_UNCONFIGURED = "alembic_unconfigured"
    ALEMBIC_UNREADABLE = "alembic_unreadable"
    REVISIONS_INVALID = "revisions_invalid"
    REVISIONS_MISSING = "revisions_missing"
    MULTIPLE_HEADS = "multiple_heads"
    DRIVER_MISSING = "driver_missing"
    EMBEDDED_UNAVAILABLE = "embedded_unavailable"
    CONNECTION_FAILED = "connection_failed"
    LOGIN_REFUSED = "login_refused"
    DATABASE_UNKNOWN = "database_unknown"
    SERVER_TOO_OLD = "server_too_old"
    SERVER_UNTESTED = "server_untested"
    STANDBY = "standby"
    READ_ONLY = "read_only"
    ENV_FAILED = "env_failed"
    MODULE_MISSING = "module_missing"
    ANOTHER_DATABASE = "another_database"
    POOLER = "pooler"
    REVISION_UNKNOWN = "revision_unknown"
    VERSION_STALE = "version_stale"
    UNMANAGED = "unmanaged"
    PRIVILEGE_MISSING = "privilege_missing"
    LEDGER_UNUSABLE = "ledger_unusable"
    MODELS_INVALID = "models_invalid"
    MODELS_MISSING = "models_missing"


class Checked(Result):
    """What was seen of one subject.

    An obstacle and a warning have a `code`, the `origin` of what is wrong where it has one, and a
    `remedy`. `database` is given where env.py has several.
    """

    subject: Subject
    verdict: Verdict
    message: str
    code: Problem | None = None
    origin: str | None = None
    remedy: str | None = None
    database: str | None = None


class ConfigCheck(Result):
    """Everything that was looked at in a project; `database` is None where none is known."""

    project: Path
    database: str | None
    checked: tuple[Checked, ...]

    def of(self, verdict: Verdict) -> tuple[Checked, ...]:
        """Return what was seen with a verdict."""
        return tuple(each for each in self.checked if each.verdict is verdict)

    @property
    def exit_code(self) -> ExitCode:
        """A finding where there is an obstacle."""
        return ExitCode.FINDING if self.of(Verdict.OBSTACLE) else ExitCode.OK

    def records(self) -> Iterable[Mapping[str, object]]:
        """Return a row for each."""
        return [each.model_dump(mode="json") for each in self.checked]


def complete(
    project: Path,
    checked: Iterable[Checked],
    reason: Callable[[Subject], str],
    *,
    database: str | None = None,
) -> ConfigCheck:
    """Return what was seen in the order of the subjects, those that lack as not checked."""
    found = list(checked)
    seen = {each.subject for each in found}
    found += [not_checked(subject, reason(subject)) for subject in Subject if subject not in seen]
    order = list(Subject)
    found.sort(key=lambda each: order.index(each.subject))
    return ConfigCheck(project=project, database=database, checked=tuple(found))


def ok(subject: Subject, message: str, *, database: str | None = None) -> Checked:
    """Return that nothing is in the way."""
    return Checked(subject=subject, verdict=Verdict.OK, message=message, database=database)


def not_checked(
    subject: Subject, reason: str, *, remedy: str | None = None, database: str | None = None
) -> Checked:
    """Return that a subject could not be looked at, because of `reason`."""
    return Checked(
        subject=subject,
        verdict=Verdict.NOT_CHECKED,
        message=f"not checked: {reason}",
        remedy=remedy,
        database=database,
    )
