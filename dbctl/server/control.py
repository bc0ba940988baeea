"""Start, stop and describe the embedded server of a project."""

from collections.abc import Callable

from dbctl.db.embedded import EmbeddedServer
from dbctl.server.results import Server, ServerChange, ServerUrl


def start(server: EmbeddedServer, on_notice: Callable[[str], None]) -> Server:
    """Start the server, creating it first where there is none; attach to one that runs."""
    server.ensure_running(on_notice)
    return status(server)


def url(server: EmbeddedServer, on_notice: Callable[[str], None]) -> ServerUrl:
    """Return the connection string of the server, which is started if it does not run."""
    return ServerUrl(url=server.ensure_running(on_notice))


def status(server: EmbeddedServer) -> Server:
    """Describe the server without starting it."""
    found = server.status()
    return Server(
        state=found.state.value,
        project=found.project,
        url=found.url,
        pid=found.pid,
        version=found.version,
        binaries=found.bindir,
        data_dir=found.data_dir,
        log_dir=found.log_dir,
        size_bytes=found.size_bytes,
    )


def stop(server: EmbeddedServer) -> ServerChange:
    """Shut the server down; its data stays."""
    data_dir = server.status().data_dir
    return ServerChange(action="stopped", changed=server.stop(), data_dir=data_dir)


def destroy(server: EmbeddedServer) -> ServerChange:
    """Shut the server down and remove its data."""
    data_dir = server.status().data_dir
    return ServerChange(action="destroyed", changed=server.destroy(), data_dir=data_dir)
