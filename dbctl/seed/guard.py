"""What keeps rows out of a database that they were not meant for."""

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.failures import statement_failed
from dbctl.db.own_names import MARKER_TABLE
from dbctl.errors import ErrorCode, OperationFailed, RefusedError
from dbctl.seed import marker
from dbctl.seed.marker import Verdict
from dbctl.settings import Environment, Settings


def refuse_production(settings: Settings) -> None:
    """Raise RefusedError where seeds have no business, before anything connects."""
    if settings.environment is Environment.PRODUCTION:
        raise RefusedError(
            f"seeds are not written in production ({_environment(settings)})",
            hint="If this database is not production's, set ENVIRONMENT to what it is.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


async def refuse_unmarked(
    connection: AsyncConnection, manager: DatabaseSessionManager, settings: Settings
) -> None:
    """Raise RefusedError, code `seed_guard`, unless rows may be written into the database.

    They may where every address is loopback or a Unix socket, as that of the embedded server is,
    or where the database is marked as allowed; never where it is marked as forbidden. Reads in the
    transaction of the caller.
    """
    mark = await _mark(connection, manager)
    target = f"{manager.label} ({_environment(settings)})"
    if mark is not None and mark.verdict is Verdict.FORBIDDEN:
        raise RefusedError(
            f"seeds are forbidden in {target}: it was marked so by {mark.author} "
            f"on {mark.marked_at:%Y-%m-%d}",
            hint="If it was marked by mistake: "
            f"`dbctl seed forbid --revoke --name {await _name(connection)}`.",
            code=ErrorCode.SEED_GUARD,
        )
    if mark is None and not manager.dsn.is_local:
        raise RefusedError(
            f"{target} is neither the embedded server nor on this machine, and is not marked as a "
            "database for seeds: nothing is written",
            hint=f"If seeds belong there, mark it once: `dbctl seed allow --name "
            f"{await _name(connection)}`.",
            code=ErrorCode.SEED_GUARD,
        )


async def _mark(
    connection: AsyncConnection, manager: DatabaseSessionManager
) -> "marker.Mark | None":
    try:
        return await marker.read(connection)
    except DBAPIError as error:
        failure = statement_failed(error)
        if not isinstance(failure, OperationFailed):
            raise failure from error
        raise RefusedError(
            f"whether seeds may be written in {manager.label} cannot be read: {failure.message}",
            hint=f"Have its owner GRANT SELECT on {MARKER_TABLE}, and USAGE on its schema, "
            "to this role.",
            code=ErrorCode.SEED_GUARD,
        ) from error


async def _name(connection: AsyncConnection) -> str:
    from shlex import quote

    return quote((await marker.identify(connection)).name)


def _environment(settings: Settings) -> str:
    return f"ENVIRONMENT={settings.environment} from {settings.source_of('environment')}"
