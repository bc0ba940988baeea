"""Render revisions as SQL, statement by statement, without running any."""

import asyncio
import copy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import HeadMaintainer, MigrationContext, RevisionStep
from alembic.script import Script
from sqlalchemy import Connection, Insert, TextClause, make_url, text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.schema import CreateTable, DDLElement

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.metadata import PROJECT_CODE_ERRORS, located
from dbctl.errors import DbctlError
from dbctl.migrate.plan_results import Kind
from dbctl.migrate.run.learn import ReadOnlyEnvironment, run_offline, run_read_only
from dbctl.migrate.run.record import EnvRecord, Matching
from dbctl.migrate.scripts import Checkout
from dbctl.redaction import scrub

# The dialect that runs the revisions, but for the paramstyle: others double each "%" in a text.
_DIALECT = "postgresql+asyncpg"
_DIALECT_OPTIONS = {"paramstyle": "named"}
_NOT_RUN = "env.py does not run the revisions"
# Seconds that rendering may take: it is the project's code, not the server, that takes them.
_LONG = 60.0


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the database would get it, without the semicolon that ends it.

    `line` is the one of the revision's file that issues it, None where none does.
    `transactional` tells whether a transaction is open around it.
    """

    sql: str
    kind: Kind
    line: int | None
    transactional: bool


@dataclass(frozen=True, slots=True)
class Rendered:
    """The statements of one step, or the reason why they are not known, with its line."""

    script: Script
    statements: tuple[Statement, ...]
    reason: str | None = None
    line: int | None = None


class NeedsDatabaseError(Exception):
    """A revision asks for something that only a database could tell it."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What is to be rendered for one database: the steps, and the version that they start from."""

    steps: Sequence[RevisionStep]
    heads: tuple[str, ...]
    record: EnvRecord | None = None


async def render(
    checkout: Checkout, manager: DatabaseSessionManager, sought: Sequence[Sought]
) -> list[list[Rendered]]:
    """Return what each of the steps would run on its database, in a run of env.py without them.

    env.py connects as it always does, and nothing is changed. A step that cannot be rendered is
    returned with the reason. Raises what `run_read_only` raises.
    """
    if not any(each.steps for each in sought):
        return [[] for _ in sought]
    environment = _Environment(checkout, sought)
    await run_read_only(checkout, environment, None, seconds=max(manager.connect_deadline, _LONG))
    return [environment.result(each) for each in sought]


def render_offline(
    checkout: Checkout, steps: Sequence[RevisionStep], heads: tuple[str, ...]
) -> list[Rendered]:
    """Return what each of `steps` would run on a database that is at `heads`, without one.

    env.py is run as for `alembic upgrade --sql`; what it writes to files beside stays out of the
    project. A step that cannot be rendered is returned with the reason; so are all of them where
    env.py fails. Raises the DbctlError that the project's env.py met, such as for models that
    cannot be imported.
    """
    if not steps:
        return []
    sought = Sought(steps, heads)
    environment = _Environment(checkout, [sought], offline=True)

    reason = "env.py does not run the revisions when it is asked for their SQL"
    try:
        asyncio.run(run_offline(checkout, environment))
    except PROJECT_CODE_ERRORS as error:
        for known in (error, error.__cause__):  # Alembic's command line gets a CommandError
            if isinstance(known, DbctlError):
                raise known from error
        reason = f"env.py failed: {located(error)}"
    return environment.result(sought, reason)


def heads_after(steps: Sequence[RevisionStep], heads: tuple[str, ...]) -> tuple[str, ...]:
    """Return the revisions, sorted, that a database at `heads` is at once `steps` are taken."""
    versions = _Versions(heads)
    for step in steps:
        versions.update_to_step(step)
    return tuple(sorted(versions.heads))


class _Versions(HeadMaintainer):
    """Alembic's bookkeeping of branches and merges without the table it is kept in."""

    def __init__(self, heads: tuple[str, ...]) -> None:
        self.heads = set(heads)

    def _insert_version(self, version: str) -> None:
        self.heads.add(version)

    def _delete_version(self, version: str) -> None:
        self.heads.remove(version)

    def _update_version(self, from_: str, to_: str) -> None:
        self.heads.remove(from_)
        self.heads.add(to_)


class _Environment(ReadOnlyEnvironment):
    """A run of env.py that takes down the statements, whatever env.py configures.

    Offline, env.py is asked for SQL as `alembic upgrade --sql` does; otherwise it runs as ever, but
    Alembic gets no connection of it.
    """

    def __init__(
        self, checkout: Checkout, sought: Sequence[Sought], *, offline: bool = False
    ) -> None:
        longest = max(sought, key=lambda each: len(each.steps))
        super().__init__(
            checkout,
            work=self._work,
            as_sql=True,
            destination_rev=longest.steps[-1].revision.revision,
        )
        self._sought = sought
        self._matching = Matching((each.record, each) for each in sought if each.record)
        self._offline = offline
        self._now = sought[0]
        self._rendered: dict[int, list[Rendered]] = {}
        self._statements: list[Statement] = []
        self._running: Script | None = None
        self._transactional = False
        self._failure: tuple[str, int | None] | None = None

    def result(self, sought: Sought, reason: str = _NOT_RUN) -> list[Rendered]:
        """Return what was rendered of `sought`, and for the rest `reason`."""
        done = self._rendered.get(id(sought), [])
        return done + [Rendered(_script(step), (), reason) for step in sought.steps[len(done) :]]

    def configure(self, connection: Connection | None = None, *_rest: Any, **options: Any) -> None:
        """Configure a context that renders PostgreSQL; no URL or connection of env.py's is used."""
        self.remember(connection, options)
        self._now = self._sought_for(self.record)
        self.context_opts["starting_rev"] = self._now.heads or None
        for name in ("url", "starting_rev", "output_buffer", "output_encoding"):
            options.pop(name, None)
        EnvironmentContext.configure(
            self,
            **options
            | {
                "dialect_name": _DIALECT,
                "dialect_opts": _DIALECT_OPTIONS,
                "as_sql": True,
                "literal_binds": True,
                "transaction_per_migration": True,
            },
        )
        context = self.get_context()
        # As on a server with standard_conforming_strings; SQLAlchemy 2.0 doubles every backslash
        # until it has asked one, 2.1 does not. Checked on 2.0.41 to 2.1.9.
        context.dialect._backslash_escapes = False  # type: ignore[attr-defined]
        # Alembic's own would turn tabs into blanks, in strings as well, and put the semicolon
        # behind a comment in the last line.
        context.impl._exec = self.emit  # type: ignore[method-assign]
        context.impl.static_output = self._note  # type: ignore[method-assign]
        context.connection = context.impl.connection = _Connection(self)  # type: ignore[assignment]

    def _sought_for(self, record: EnvRecord | None) -> Sought:
        return self._matching.find(record) or self._sought[0]

    def is_offline_mode(self) -> bool:
        """Return whether env.py is asked for SQL.

        Raises NeedsDatabaseError in a revision: one that asks does something else in `up`.
        """
        if self._running is not None:
            raise NeedsDatabaseError("it does something else when it is asked for its SQL")
        return self._offline

    def emit(self, construct: Any, *_options: Any, **_more: Any) -> None:
        """Take down one statement: a string or a construct of SQLAlchemy's."""
        if isinstance(construct, str):
            construct = text(construct)
        if isinstance(construct, CreateTable) and self._running is None:
            construct.if_not_exists = True  # Alembic's table, which `up` looks for first
        dialect = self.get_context().dialect
        literals = dict[str, bool]()
        if not isinstance(construct, DDLElement):
            # Literal binds make NULL of a value that is missing, for which `up` raises.
            construct.compile(dialect=dialect).construct_params()
            literals = {"literal_binds": True}
        self.write(str(construct.compile(dialect=dialect, compile_kwargs=literals)))

    def write(self, sql: str) -> None:
        """Take down the text of one statement."""
        kind = Kind.BOOKKEEPING if self._running is None else Kind.REVISION
        sql = sql.strip().rstrip(";").rstrip()
        self._statements.append(Statement(sql, kind, self._line(), self._transactional))

    def _note(self, text: str) -> None:
        """Take down BEGIN, COMMIT and what a project writes to the script; leave comments out."""
        command = text.rstrip(";\n")
        if command in ("BEGIN", "COMMIT"):
            self._transactional = command == "BEGIN"
            self._statements.append(Statement(command, Kind.TRANSACTION, None, True))
        elif not all(line.startswith("--") for line in text.splitlines() if line):
            self.write(text)

    def _line(self) -> int | None:
        """Return the line of the revision's file that is being run."""
        if self._running is None:
            return None
        frame = sys._getframe(1)
        while frame.f_code.co_filename != self._running.path:
            if frame.f_back is None:
                return None
            frame = frame.f_back
        return frame.f_lineno

    def _work(self, _heads: tuple[str, ...], _context: MigrationContext) -> Iterator[RevisionStep]:
        """Yield the steps to Alembic, which asks for the next once one is rendered."""
        rendered = self._rendered[id(self._now)] = []
        for step in self._now.steps:
            self._failure = None
            yield self._guarded(step)
            if self._failure is None:
                done = Rendered(_script(step), tuple(self._statements))
            else:
                done = Rendered(_script(step), (), *self._failure)
            rendered.append(done)
            self._statements.clear()

    def _guarded(self, step: RevisionStep) -> RevisionStep:
        """Return a step that does not raise, so that Alembic goes on to those after it."""
        guarded = copy.copy(step)  # the step itself may still be run
        guarded.migration_fn = self._guard(step.migration_fn, _script(step))
        return guarded

    def _guard(self, function: Callable[..., None], script: Script) -> Callable[..., None]:
        @wraps(function)
        def run(**options: Any) -> None:
            self._running = script
            try:
                function(**options)
            except PROJECT_CODE_ERRORS as error:
                self._failure = _reason(error, script)
            finally:
                self._running = None

        return run


class _Connection(MockConnection):
    """A connection that takes down what it is to execute, and has nothing to answer."""

    def __init__(self, environment: _Environment) -> None:
        dialect = make_url(f"{_DIALECT}://").get_dialect()(**_DIALECT_OPTIONS)
        super().__init__(dialect, environment.emit)
        self._environment = environment

    def execute(self, obj: Any, parameters: Any = None, execution_options: Any = None) -> Any:  # noqa: ARG002
        """Take down `obj` with its parameters in place, once for each set of them."""
        several = isinstance(parameters, list | tuple) and parameters
        for each in parameters if several else [parameters]:
            self._execute_impl(_bound(obj, each))
        return _Answer()

    def exec_driver_sql(
        self,
        statement: str,
        parameters: Any = None,
        execution_options: Any = None,  # noqa: ARG002
    ) -> Any:
        """Take down `statement` as it is."""
        if parameters:
            raise NeedsDatabaseError("it hands parameters to the driver")
        self._environment.write(statement)
        return _Answer()

    def scalar(self, *_: Any, **__: Any) -> NoReturn:
        """Raise NeedsDatabaseError."""
        raise NeedsDatabaseError(_READS)

    scalars = scalar


_READS = "it reads what the database answers"


class _Answer:
    """The result of a statement that nobody has run; nothing can be read from it."""

    def __getattr__(self, _name: str) -> NoReturn:
        raise NeedsDatabaseError(_READS)

    def __iter__(self) -> NoReturn:
        raise NeedsDatabaseError(_READS)

    def __bool__(self) -> NoReturn:
        raise NeedsDatabaseError(_READS)


def _bound(construct: Any, parameters: Mapping[str, Any] | None) -> Any:
    """Return the construct with the parameters in it, to be rendered as literals."""
    if not parameters:
        return construct
    if isinstance(construct, TextClause):
        return construct.bindparams(**parameters)
    if isinstance(construct, Insert):
        return construct.values(parameters)
    return construct.params(parameters)


def _script(step: RevisionStep) -> Script:
    return step.revision


def _reason(error: BaseException, script: Script) -> tuple[str, int | None]:
    """Return why a revision cannot be rendered, and the line of its file that says so."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == script.path]
    line = lines[-1] if lines else None
    match error:
        case NeedsDatabaseError():
            return str(error), line
        case NoInspectionAvailable():
            return "it inspects the database", line
    if line is None:
        return located(error), None
    said = scrub(str(error)).partition("\n")[0]
    return ": ".join(filter(None, (type(error).__name__, said))), line
