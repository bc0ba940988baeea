"""Compare the models with the database: as Alembic does, and in what it leaves out."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Column, Constraint, ForeignKeyConstraint, Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError, SAWarning
from sqlalchemy.types import TypeEngine

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.own_names import OWN_TABLES
from dbctl.errors import FindingError
from dbctl.migrate import shadow
from dbctl.migrate.project_models import ProjectModels, models_of
from dbctl.migrate.results import Difference, Drift, MigrationStatus, State
from dbctl.migrate.run.databases import Database, databases
from dbctl.migrate.run.learn import ReadOnlyEnvironment, run_read_only
from dbctl.migrate.run.record import EnvRecord, Matching
from dbctl.migrate.scripts import Checkout, refuse_no_revisions
from dbctl.migrate.status import look

# What Alembic says of an index or constraint, and the comparison by the server says in one line.
# Seconds that the comparison may take.
_LONG = 300.0
_DEFAULTS = {"modify_default", "modify_computed", "modify_identity"}
_ALSO_TOLD = {"add_index", "remove_index", "add_constraint", "remove_constraint"}


async def check(
    manager: DatabaseSessionManager, checkout: Checkout, models: ProjectModels | None
) -> Drift:
    """Return every difference between the models and a database that is at the head.

    Raises FindingError where it is not at the head: the pending revisions would all be told as
    differences. Raises what `find` raises.
    """
    refuse_no_revisions(checkout)
    status = await look(manager, checkout)
    if not status.is_at_head:
        raise FindingError(
            f"{manager.label} {status.state.sentence}: the revisions would all be told as drift",
            hint=f"First: {status.hint}.",
        )
    source = models.source if models else checkout.env_label
    return Drift(
        database=status.database,
        models=source,
        differences=await find(manager, checkout, models),
    )


async def look_closely(
    manager: DatabaseSessionManager, checkout: Checkout, models: ProjectModels | None
) -> MigrationStatus:
    """Return the status of a database, at the head compared with the models as well.

    Raises what `find` raises.
    """
    status = await look(manager, checkout)
    if status.state is State.CURRENT and (found := await find(manager, checkout, models)):
        return status.model_copy(update={"state": State.DRIFTED, "differences": found})
    return status


async def find(
    manager: DatabaseSessionManager, checkout: Checkout, models: ProjectModels | None
) -> tuple[Difference, ...]:
    """Return every difference between the models and a database, at whatever revision it is.

    With None the models are env.py's own. env.py decides what of them Alembic compares, not what is
    compared beyond that; dbctl's own tables are left out. Raises ConfigurationError where there are
    no models or env.py fails, and OperationFailed where the database does not allow the comparison.
    """
    found: list[Difference] = []
    async with databases(checkout, manager) as every:
        compared = [(each, models or models_of(checkout, each.metadata)) for each in every]
        operations = await _autogenerate(checkout, manager, compared)
        for database, own in compared:
            settled: shadow.Settled = set()
            async with database.manager.connect() as connection:
                beyond = await shadow.differences(connection, own.tables, settled)
            by_alembic = operations.get(database.record, _ByAlembic())
            told = [
                difference
                for operation in by_alembic.operations
                for difference in _describe(operation)
                # Before 1.17 Alembic compares an identity itself, whoever compares defaults.
                if difference.kind != "modify_default" or by_alembic.has_decided(difference)
            ]
            beyond = [each for each in beyond if not by_alembic.has_decided(each)]
            found += _each_once(told, beyond, settled)
    return tuple(
        difference for difference in found if difference.table.rpartition(".")[2] not in OWN_TABLES
    )


@dataclass(slots=True)
class _ByAlembic:
    """What Alembic has found, and of which defaults env.py itself says whether they differ."""

    operations: list[Any] = field(default_factory=list)
    decided: set[tuple[str, str]] = field(default_factory=set)

    def take_defaults(self, context: MigrationContext) -> None:
        """Let Alembic compare no default: it asks the server to, with SQL that a quote ends.

        A function of env.py's is asked, and what it has no opinion of the server compares.
        """
        asked = context._user_compare_server_default

        def decide(context: MigrationContext, found: Any, model: Column[Any], *rest: Any) -> bool:
            verdict = asked(context, found, model, *rest)
            if verdict is not None:
                self.decided.add((model.table.fullname, model.name))
            return bool(verdict)

        context._user_compare_server_default = decide if callable(asked) else False

    def has_decided(self, difference: Difference) -> bool:
        """Return whether a difference is about a default that env.py has compared."""
        return (difference.table, difference.name) in self.decided and difference.kind in _DEFAULTS


async def _autogenerate(
    checkout: Checkout,
    manager: DatabaseSessionManager,
    compared: Sequence[tuple[Database, ProjectModels]],
) -> dict[EnvRecord, _ByAlembic]:
    """Return what `alembic check` compares, which it refuses to do unless it is at the head."""
    found: dict[EnvRecord, _ByAlembic] = {}
    matching = Matching((each[0].record, each) for each in compared)

    def compare(heads: tuple[str, ...], context: MigrationContext) -> Iterable[RevisionStep]:
        meant = matching.find(environment.record)
        if meant is None or meant[0].record in found:
            return ()
        database, models = meant
        mine = found[database.record] = _ByAlembic()
        mine.take_defaults(context)
        context.opts["target_metadata"] = models.target
        script = produce_migrations(context, context.opts["target_metadata"])
        if hook := context.opts["process_revision_directives"]:
            hook(context, heads, [script])
        for each in script.upgrade_ops_list:
            mine.operations.extend(each.as_diffs())
        return ()

    environment = ReadOnlyEnvironment(checkout, work=compare)
    with warnings.catch_warnings():
        # SQLAlchemy says so of every CHECK that it finds to be NOT VALID or NO INHERIT.
        warnings.filterwarnings("ignore", "Can't validate argument 'dialect_options'", SAWarning)
        warnings.filterwarnings("ignore", "Computed default on", UserWarning)
        await run_read_only(
            checkout, environment, None, seconds=max(manager.connect_deadline, _LONG)
        )
    return found


def _each_once(
    told: list[Difference], beyond: list[Difference], settled: shadow.Settled
) -> Iterator[Difference]:
    """Yield both lists without what either of them says of an index or constraint in the other.

    Alembic reports a changed index as removed and added, not how it changed, and one that the
    server words otherwise as changed: what is `settled` the server has compared. What it could not
    compare, Alembic may have.
    """
    compared = {_object(difference) for difference in beyond} | settled
    by_alembic = {(d.table, d.name) for d in told if d.name and d.kind in _ALSO_TOLD}
    for difference in told:
        if difference.kind not in _ALSO_TOLD or _object(difference) not in compared:
            yield difference
    for difference in beyond:
        known = (difference.table, difference.name) in by_alembic
        if difference.kind != "not_compared" or not known:
            yield difference


def _object(difference: Difference) -> tuple[str, str, str]:
    """Return what a difference is about; an index and a constraint can have the same name."""
    return difference.kind.rpartition("_")[2], difference.table, difference.name


def _describe(operation: Any) -> Iterator[Difference]:
    """Yield what one of Alembic's comparison tuples, or a list of them, says."""
    if isinstance(operation, list):
        for part in operation:
            yield from _describe(part)
        return
    match operation:
        case (str(kind), Table() as table):
            yield Difference(kind=kind, table=table.fullname, name="", detail="")
        case (str(kind), str() | None as schema, str(name), Column() as column):
            yield Difference(
                kind=kind, table=_full(schema, name), name=column.name, detail=_shown(column.type)
            )
        case (str(kind), str() | None as schema, str(name), str(column), _, old, new):
            yield Difference(
                kind=kind,
                table=_full(schema, name),
                name=column,
                detail=f"{_shown(old)} → {_shown(new)}",
            )
        case (str(kind), Index() | Constraint() as item):
            columns = ", ".join(str(part) for part in _parts(item))
            yield Difference(
                kind=kind,
                table=item.table.fullname if item.table is not None else "",
                name=str(item.name or ""),
                detail=columns,
            )
        case (str(kind), *rest):
            yield Difference(kind=kind, table="", name="", detail=" ".join(map(str, rest)))


def _full(schema: str | None, table: str) -> str:
    return f"{schema}.{table}" if schema else table


def _parts(item: Index | Constraint) -> list[Any]:
    if isinstance(item, Index):
        return list(item.expressions)
    if isinstance(item, ForeignKeyConstraint):
        return [f"{e.parent.name} → {e.target_fullname}" for e in item.elements]
    return [column.name for column in getattr(item, "columns", ())]


def _shown(value: Any) -> str:
    """Return the part of a column that changed as SQL, not as Python."""
    if isinstance(value, TypeEngine):
        try:
            return value.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        except CompileError:  # a type that SQLAlchemy does not know has no name
            return str(value)
    return str(getattr(value, "arg", value))
