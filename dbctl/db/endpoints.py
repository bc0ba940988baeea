"""Which database this run works on: DATABASE_URL, its direct twin, or the embedded server."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbctl import redaction
from dbctl.db import dsn
from dbctl.db.dsn import Dsn
from dbctl.errors import ConfigurationError
from dbctl.programs import programs_folder
from dbctl.settings import Settings

if TYPE_CHECKING:
    from dbctl.db.embedded import EmbeddedServer
    from dbctl.db.embedded_branches import Branch

EMBEDDED = "no DATABASE_URL"
# What a project names itself, and env.py finds without being told.
INI, ENV_PY = "alembic.ini", "env.py"
PROJECT_ORIGINS = frozenset({INI, ENV_PY})
_POSTGRESQL = re.compile(r"postgres(ql)?(\+\w+)?://")
# What an env.py does that does not take its URL from the ini, or not as it stands there.
_OWN_URL = re.compile(
    r"set_main_option|set_section_option|sqlalchemy\.url[\"']\]\s*=|\bcreate_(async_)?engine\b"
    r"|environ|getenv|current_app|^\s*(from|import)\s+dbctl\b|databases",
    re.MULTILINE,
)


type FindInProject = Callable[[Settings], tuple[str, str] | None]
type Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


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
    """Return the endpoints that the settings name, None where they name none.

    Raises ConfigurationError for a connection string that cannot be used.
    """
    pooled = _endpoint(settings, "database_url", "DATABASE_URL")
    unpooled = _endpoint(settings, "database_url_unpooled", "DATABASE_URL_UNPOOLED")
    reads = pooled or unpooled
    if reads is None:
        return None
    if unpooled is not None:
        return Endpoints(reads, unpooled)
    twin = reads.dsn.direct()
    if twin != reads.dsn:
        return Endpoints(reads, Endpoint(twin, f"direct twin of {reads.origin}"))
    return Endpoints(reads, reads)


def ini_database(settings: Settings) -> str | None:
    """Return the URL that the project's alembic.ini names, where env.py takes it from there.

    None for a template's `driver://…`, for any other database than PostgreSQL, and where env.py
    does anything about its URL: only a run of it tells then.
    """
    named = settings.alembic_config
    ini = settings.project / (named or "alembic.ini")
    parser = ConfigParser({"here": ini.parent.as_posix()})
    try:
        parser.read(ini, encoding="utf-8")
        section = parser[settings.alembic_name]
        url, scripts = section.get("sqlalchemy.url", ""), section.get("script_location", "")
        env_py = (settings.project / scripts / "env.py").read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, ConfigParserError):
        return None
    if not _POSTGRESQL.match(url) or _OWN_URL.search(env_py):
        return None
    return url


def _endpoint(settings: Settings, field: str, variable: str) -> Endpoint | None:
    secret = getattr(settings, field)
    if secret is None:
        return None
    source = settings.source_of(field)
    return Endpoint(dsn.parse(secret.get_secret_value(), source=f"{variable} ({source})"), variable)


def named_by(url: str, origin: str) -> Endpoints:
    """Return the endpoints of the database that the project itself names, in `origin`.

    Raises ConfigurationError for a connection string that cannot be used.
    """
    redaction.remember_url(url)
    reads = Endpoint(dsn.parse(url, source=f"the database in {origin}"), origin)
    return Endpoints(reads, reads)


def named(settings: Settings, find_in_project: FindInProject | None = None) -> Endpoints | None:
    """Return the endpoints of the database that is named anywhere; None where the embedded serves.

    That is by the settings, else by the project's ini, else by what `find_in_project` returns: the
    URL that its env.py connects to, and where that was found. Raises ConfigurationError for a
    connection string that cannot be used, and in staging and production where nothing names one.
    """
    found = configured(settings)
    if found is not None:
        return found
    if url := ini_database(settings):
        return named_by(url, INI)
    if find_in_project is not None and (asked := find_in_project(settings)):
        return named_by(*asked)
    if settings.environment.is_deployed:
        raise ConfigurationError(
            f"no DATABASE_URL is set, and ENVIRONMENT is {settings.environment}",
            hint="Set DATABASE_URL; the embedded server is for development and test only.",
        )
    return None


def _in_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    import asyncio  # for start-up: the command line has a way of its own

    asyncio.run(work())


def resolve(
    settings: Settings,
    on_notice: Callable[[str], None],
    find_in_project: FindInProject | None = None,
    run: Run = _in_loop,
) -> Endpoints:
    """Return the endpoints to use, starting the embedded server where no database is named.

    `on_notice` is called when the embedded server serves; `run` runs a coroutine in an event loop
    of its own. Raises what `named` raises, and what `ensure_branch` raises.
    """
    endpoints = named(settings, find_in_project)
    if endpoints is not None:
        return endpoints
    server = embedded_server(settings)
    server.ensure_running(on_notice)
    branch, endpoints = embedded_branch(settings, server)
    if not branch.is_default:
        from dbctl.db.embedded_copies import ensure_branch  # for start-up: few have one

        def ensure() -> Coroutine[Any, Any, None]:
            return ensure_branch(
                server, branch.name, branch.database, on_notice, make=branch.made_at_need
            )

        # Once for a command, which may need the server for several steps.
        settings.once("branch ensured", lambda: run(ensure))
    which = "" if branch.is_default else f" the branch {branch.name}"
    serves = f"No DATABASE_URL: this project's embedded PostgreSQL serves{which} (`dbctl server`)."
    settings.once("embedded server noticed", lambda: on_notice(serves))
    return endpoints


def embedded_server(settings: Settings) -> EmbeddedServer:
    """Return the embedded server of the project, running or not."""
    from dbctl.db.embedded import EmbeddedServer

    return EmbeddedServer(settings.project, pg_bindir=programs_folder(settings))


def embedded_branch(settings: Settings, server: EmbeddedServer) -> tuple[Branch, Endpoints]:
    """Return the branch of the embedded server that commands use, and the endpoints of it.

    Raises what `branch_in_use` raises.
    """
    from dbctl.db.embedded_branches import branch_in_use  # for start-up where a database is named

    branch = branch_in_use(settings, server.cluster_dir)
    return branch, embedded_endpoints(server.url_of(branch.database))


def embedded_endpoints(url: str) -> Endpoints:
    """Return the endpoints of the embedded server at `url`, where nothing is pooled."""
    # The PG* variables of the user belong to some other server.
    endpoint = Endpoint(dsn.parse(url, source="the embedded server", environ={}), EMBEDDED)
    return Endpoints(endpoint, endpoint, embedded=True)
