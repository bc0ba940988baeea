"""List the seed sets of a project, and when each was last run on a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbctl.db.embedded import ServerState
from dbctl.db.endpoints import embedded_server, named
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ConfigurationError, DbctlError
from dbctl.seed import ledger
from dbctl.seed.ledger import LastRun
from dbctl.seed.sets.registry import Entry, load
from dbctl.seed.sets.results import SetInfo, SetList
from dbctl.settings import Settings


@dataclass(frozen=True, slots=True)
class LastRuns:
    """What a database says of the sets, by name; `database` is None where none was asked."""

    database: str | None = None
    runs: Mapping[str, LastRun] = field(default_factory=dict)


def why_not_to_ask(settings: Settings) -> str | None:
    """Return why there is no database that could be asked without starting one; None if there is.

    Raises ConfigurationError for a connection string that cannot be used.
    """
    if named(settings) is not None:
        return None
    try:
        state = embedded_server(settings).status().state
    except ConfigurationError as error:
        return error.message
    if state is ServerState.RUNNING:
        return None
    return "no DATABASE_URL is set, and the project's embedded PostgreSQL does not run"


async def read_last_runs(manager: DatabaseSessionManager, settings: Settings) -> LastRuns:
    """Return what the database says.

    Raises OperationFailed where the role may not read it.
    """
    async with manager.connect() as connection:
        runs = await ledger.read_sets(connection, schema=settings.own_schema)
        return LastRuns(manager.label, runs)


def list_sets(settings: Settings, known: Mapping[str, Entry], last: LastRuns) -> SetList:
    """Return the sets, those that cannot be imported, too."""
    sets = [_info(settings, entry, last.runs.get(entry.name)) for entry in known.values()]
    return SetList(database=last.database, sets=tuple(sets))


def _info(settings: Settings, entry: Entry, run: LastRun | None) -> SetInfo:
    description, fault = "", None
    try:
        description = load(settings, entry).description
    except DbctlError as error:
        fault = error.message
    return SetInfo(
        name=entry.name,
        source=entry.source,
        description=description,
        fault=fault,
        last_run=run.last_run if run else None,
        last_run_by=run.author if run else None,
        rows=run.rows if run else None,
    )
