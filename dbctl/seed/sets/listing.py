"""List the seed sets of a project, and when each was last run on a database."""

from collections.abc import Mapping

from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import DbctlError
from dbctl.seed import ledger
from dbctl.seed.ledger import LastRun
from dbctl.seed.sets.registry import Entry, load
from dbctl.seed.sets.results import SetInfo, SetList
from dbctl.settings import Settings


async def list_sets(
    manager: DatabaseSessionManager, settings: Settings, known: Mapping[str, Entry]
) -> SetList:
    """Return the sets with what the database has of each; one that cannot be imported, too."""
    async with manager.connect() as connection:
        runs = await ledger.read_sets(connection)
    sets = [_info(settings, entry, runs.get(entry.name)) for entry in known.values()]
    return SetList(database=manager.label, sets=tuple(sets))


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
