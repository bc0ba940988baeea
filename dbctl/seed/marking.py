"""Mark a database: seeds may be written there, or never."""

from shlex import quote

from dbctl.db.commits import commit
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ErrorCode, RefusedError
from dbctl.seed import marker
from dbctl.seed.marker import Verdict
from dbctl.seed.results import Marking
from dbctl.settings import Settings


async def name_of(manager: DatabaseSessionManager) -> str:
    """Return the name of the database as the server has it."""
    async with manager.connect() as connection:
        return (await marker.identify(connection)).name


async def allow(manager: DatabaseSessionManager, settings: Settings) -> Marking:
    """Mark the database as one that seeds may be written into.

    Raises RefusedError, code `seed_guard`, where it is marked as forbidden.
    """
    return await _mark(manager, settings, Verdict.ALLOWED)


async def forbid(manager: DatabaseSessionManager, settings: Settings) -> Marking:
    """Mark the database as one that seeds are never written into, wherever it is reached from."""
    return await _mark(manager, settings, Verdict.FORBIDDEN)


async def revoke(manager: DatabaseSessionManager, settings: Settings, verdict: Verdict) -> Marking:
    """Remove the mark of the database, where it is that one."""
    return await _mark(manager, settings, None, only=verdict)


async def _mark(
    manager: DatabaseSessionManager,
    settings: Settings,
    verdict: Verdict | None,
    *,
    only: Verdict | None = None,
) -> Marking:
    async with manager.connect() as connection:
        before = await marker.read(connection)
        if verdict is Verdict.ALLOWED and before and before.verdict is Verdict.FORBIDDEN:
            name = quote((await marker.identify(connection)).name)
            raise RefusedError(
                f"seeds are forbidden in {manager.label}: it was marked so by {before.author} "
                f"on {before.marked_at:%Y-%m-%d}",
                hint=f"If that was a mistake: `dbctl seed forbid --revoke --name {name}` first.",
                code=ErrorCode.SEED_GUARD,
            )
        held = before.verdict if before else None
        changed = held is only if verdict is None else held is not verdict
        if changed:
            await marker.write(
                connection, verdict, schema=settings.own_schema, actor=settings.actor
            )
        mark = await marker.read(connection)
        name = (await marker.identify(connection)).name
        await commit(
            connection, manager.label, manager.notify, what="the mark", look="`dbctl seed`"
        )
        return Marking(
            database=manager.label,
            name=name,
            verdict=mark.verdict if mark else None,
            changed=changed,
            marked_by=mark.author if mark else None,
            marked_at=mark.marked_at if mark else None,
        )
