"""Start, stop and describe the embedded server of a project."""

from collections.abc import Callable

from dbctl.db.embedded import EmbeddedServer
from dbctl.db.endpoints import embedded_server
from dbctl.errors import ConfigurationError
from dbctl.server.results import Server, ServerChange, ServerUrl
from dbctl.settings import Settings


def start(settings: Settings, on_notice: Callable[[str], None]) -> Server:
    """Start the server, creating it first where there is none; attach to one that runs.

    Raises ConfigurationError in staging and production.
    """
    _startable(settings).ensure_running(on_notice)
    return status(settings)


def url(settings: Settings, on_notice: Callable[[str], None]) -> ServerUrl:
    """Return the connection string of the server, which is started if it does not run.

    Raises ConfigurationError in staging and production.
    """
    return ServerUrl(url=_startable(settings).ensure_running(on_notice))


def status(settings: Settings) -> Server:
    """Describe the server without starting it."""
    found = embedded_server(settings).status()
    return Server(
        state=found.state.value,
        project=found.project,
        url=found.url,
        pid=found.pid,
        version=found.version,
        binaries=found.bindir,
        binaries_source=found.source,
        data_dir=found.data_dir,
        log_dir=found.log_dir,
        size_bytes=found.size_bytes,
        other_clusters=found.other_clusters,
    )


def stop(settings: Settings) -> ServerChange:
    """Shut the server down; its data stays."""
    server = embedded_server(settings)
    data_dir = server.status().data_dir
    return ServerChange(action="stopped", changed=server.stop(), data_dir=data_dir)


def destroy(settings: Settings) -> ServerChange:
    """Shut the server down and remove its data."""
    server = embedded_server(settings)
    data_dir = server.status().data_dir
    return ServerChange(action="destroyed", changed=server.destroy(), data_dir=data_dir)


def _startable(settings: Settings) -> EmbeddedServer:
    # One that was started before ENVIRONMENT was set can still be looked at, stopped and removed.
    if settings.environment.is_deployed:
        raise ConfigurationError(
            "the embedded server is for development and test only, and ENVIRONMENT is "
            f"{settings.environment} ({settings.source_of('environment')})",
            hint="Correct ENVIRONMENT if this is development; elsewhere set DATABASE_URL.",
        )
    return embedded_server(settings)
