"""What keeps a command from changing a database that it was not meant for."""

import getpass
import socket
from dataclasses import dataclass

from sqlalchemy import text

from dbctl.db.catalog import fetch
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.names import listed
from dbctl.db.own_names import OWN_TABLES, VERSION_TABLE
from dbctl.db.round_trip import reader_on
from dbctl.errors import ErrorCode, RefusedError
from dbctl.migrate.config_files import MAKE_CONFIG
from dbctl.migrate.scripts import Checkout
from dbctl.settings import Environment, Settings

# How many tables a refusal names.
_NAMED = 5

# PostgreSQL cuts a longer application_name.
_NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Terms:
    """How a run behaves towards others; every duration is in seconds.

    `command` and `actor` say who it is: the former to whoever waits for it, the latter in the
    ledger.
    """

    command: str
    actor: str | None = None
    lock_wait: float = 60.0
    ddl_lock_timeout: float = 2.0
    retry_for: float = 120.0
    allow_pooler: bool = False

    @property
    def application_name(self) -> str:
        """What the server shows of the sessions of this run."""
        name = f"dbctl migrate {self.command} ({self.actor or _user()})"
        # What a command line holds need not be Unicode.
        return name.encode(errors="backslashreplace")[:_NAME_BYTES].decode(errors="ignore")


def _user() -> str:
    host = socket.gethostname()
    try:
        return f"{getpass.getuser()}@{host}"
    except (KeyError, OSError):  # a container may run under a number that has no name
        return host


def refuse_bundled(checkout: Checkout, settings: Settings) -> None:
    """Raise RefusedError for writing the example's schema to a deployed database."""
    if checkout.bundled and settings.environment.is_deployed:
        raise RefusedError(
            f"{settings.project} has no Alembic configuration but example = true, and ENVIRONMENT "
            f"is {settings.environment}: the example's revisions are not applied there",
            hint="Run it in the project, or name the configuration with DBCTL_ALEMBIC_CONFIG.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


async def refuse_foreign_database(manager: DatabaseSessionManager, checkout: Checkout) -> None:
    """Raise RefusedError where a database holds anything that is not the example's.

    That is a version that the example does not have, or, without a version, any table that is
    neither the example's nor dbctl's own.
    """
    from dbctl.models import metadata  # for start-up: it imports SQLModel

    async with manager.connect() as connection:
        reader = await reader_on(connection)
        current, _ = await checkout.store.read_version(reader)
        found = await fetch(
            reader,
            "migrate",
            "tables_beside_example",
            example="\n".join(table.name for table in metadata.tables.values()),
            own="\n".join([VERSION_TABLE, *OWN_TABLES]),
        )
    unknown = [revision for revision in current if not checkout.knows(revision)]
    if unknown:
        what = f"is at revision {listed(unknown)}, which is not the example's"
    elif not current and found:
        names = [row["name"] for row in found[:_NAMED]]
        more = [f"{len(found) - _NAMED} more"] if len(found) > _NAMED else []
        what = f"holds tables that are not the example's: {listed([*names, *more])}"
    else:
        return
    raise RefusedError(
        f"{manager.label} {what}",
        hint="The example goes into an empty database alone. For revisions of your own: "
        f"{MAKE_CONFIG[0].lower()}{MAKE_CONFIG[1:]}.",
        code=ErrorCode.PRODUCTION_GUARD,
    )


async def refuse_other_name(manager: DatabaseSessionManager, name: str) -> None:
    """Raise RefusedError where the database has another name than the one that was confirmed."""
    async with manager.connect() as connection:
        found = await connection.scalar(text("select pg_catalog.current_database()"))
    if found != name:
        raise RefusedError(
            f"the database is {found}, and {name!r} was confirmed",
            hint="Confirm the name of the database that is to be reverted.",
        )


def refuse_production(settings: Settings, *, allowed: bool) -> None:
    """Raise RefusedError for a downgrade in production that was not allowed by name."""
    if settings.environment is Environment.PRODUCTION and not allowed:
        raise RefusedError(
            "ENVIRONMENT is production, where a downgrade loses what people have entered",
            hint="Give --allow-production where that is what you want.",
            code=ErrorCode.PRODUCTION_GUARD,
        )
