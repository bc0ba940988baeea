"""What keeps a command from changing a database that it was not meant for."""

import getpass
import socket
from dataclasses import dataclass

from dbctl.errors import ErrorCode, RefusedError
from dbctl.migrate.scripts import Checkout
from dbctl.settings import Environment, Settings

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
    """Raise RefusedError for writing the schema that ships with dbctl to a deployed database.

    A project that has lost sight of its alembic.ini would get tables it has never asked for.
    """
    if checkout.bundled and settings.environment.is_deployed:
        raise RefusedError(
            f"there is no alembic.ini in {settings.project}, and ENVIRONMENT is "
            f"{settings.environment}: the revisions that ship with dbctl are not applied there",
            hint="Run it in the project, or name the configuration with DBCTL_ALEMBIC_CONFIG.",
            code=ErrorCode.PRODUCTION_GUARD,
        )


def refuse_production(settings: Settings, *, allowed: bool) -> None:
    """Raise RefusedError for a downgrade in production that was not allowed by name."""
    if settings.environment is Environment.PRODUCTION and not allowed:
        raise RefusedError(
            "ENVIRONMENT is production, where a downgrade loses what people have entered",
            hint="Give --allow-production where that is what you want.",
            code=ErrorCode.PRODUCTION_GUARD,
        )
