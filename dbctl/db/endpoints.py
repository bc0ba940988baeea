"""Which database this run works on: DATABASE_URL, its direct twin, or the embedded server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbctl.db import dsn
from dbctl.db.dsn import Dsn
from dbctl.errors import ConfigurationError
from dbctl.settings import Settings

if TYPE_CHECKING:
    from dbctl.db.embedded import EmbeddedServer

EMBEDDED = "no DATABASE_URL"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to connect to, and the setting that led there."""

    dsn: Dsn
    origin: str

    @property
    def label(self) -> str:
        """A short name for people, without a secret."""
        return f"{self.dsn.database} (embedded)" if self.origin == EMBEDDED else self.dsn.label


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where reads and migrations go; migrations never knowingly through a pooler."""

    reads: Endpoint
    migrations: Endpoint
    embedded: bool = False


def configured(settings: Settings) -> Endpoints | None:
    """Return the endpoints that the settings name, None where the embedded server serves.

    Raises ConfigurationError for a connection string that cannot be used, and where staging or
    production, which need a server of their own, name none.
    """
    pooled = _endpoint(settings, "database_url", "DATABASE_URL")
    unpooled = _endpoint(settings, "database_url_unpooled", "DATABASE_URL_UNPOOLED")
    reads = pooled or unpooled
    if reads is None:
        if settings.environment.is_deployed:
            raise ConfigurationError(
                f"no DATABASE_URL is set, and ENVIRONMENT is {settings.environment}",
                hint="Set DATABASE_URL; the embedded server is for development and test only.",
            )
        return None
    if unpooled is not None:
        return Endpoints(reads, unpooled)
    twin = reads.dsn.direct()
    if twin != reads.dsn:
        return Endpoints(reads, Endpoint(twin, f"direct twin of {reads.origin}"))
    return Endpoints(reads, reads)


def _endpoint(settings: Settings, field: str, variable: str) -> Endpoint | None:
    secret = getattr(settings, field)
    if secret is None:
        return None
    source = settings.source_of(field)
    return Endpoint(dsn.parse(secret.get_secret_value(), source=f"{variable} ({source})"), variable)


def resolve(settings: Settings, on_notice: Callable[[str], None]) -> Endpoints:
    """Return the endpoints to use, starting the embedded server where no database is named.

    `on_notice` is told when the embedded server serves. Raises ConfigurationError in staging and
    production without a DATABASE_URL.
    """
    named = configured(settings)
    if named is not None:
        return named
    url = embedded_server(settings).ensure_running(on_notice)
    on_notice("No DATABASE_URL: this project's embedded PostgreSQL serves (`dbctl server`).")
    return embedded_endpoints(url)


def embedded_server(settings: Settings) -> EmbeddedServer:
    """Return the embedded server of the project, running or not."""
    from dbctl.db.embedded import EmbeddedServer

    bindir = settings.pg_bindir
    return EmbeddedServer(settings.project, pg_bindir=bindir and bindir.expanduser())


def embedded_endpoints(url: str) -> Endpoints:
    """Return the endpoints of the embedded server at `url`, where nothing is pooled."""
    # The PG* variables of the user belong to some other server.
    endpoint = Endpoint(dsn.parse(url, source="the embedded server", environ={}), EMBEDDED)
    return Endpoints(endpoint, endpoint, embedded=True)
