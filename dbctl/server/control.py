"""Start, stop and describe the embedded server of a project."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dbctl.db.embedded import EmbeddedServer
from dbctl.db.embedded_branches import branch_in_use, noted_names
from dbctl.db.embedded_clusters import StoredCluster, stored_clusters
from dbctl.db.endpoints import embedded_server
from dbctl.db.pgfailures import os_errors_explained
from dbctl.errors import ConfigurationError
from dbctl.server.results import (
    Pruned,
    Server,
    ServerChange,
    ServerList,
    ServerUrl,
    StoredServer,
)
from dbctl.settings import Settings


def start(settings: Settings, on_notice: Callable[[str], None]) -> Server:
    """Start the server, creating it first where there is none; attach to one that runs.

    Raises ConfigurationError in staging and production.
    """
    startable(settings).ensure_running(on_notice)
    return status(settings)


def url(settings: Settings, on_notice: Callable[[str], None]) -> ServerUrl:
    """Return the connection string of the server, which is started if it does not run.

    Raises ConfigurationError in staging and production.
    """
    server = startable(settings)
    server.ensure_running(on_notice)
    return ServerUrl(url=server.url_of(branch_in_use(settings, server.cluster_dir).database))


def status(settings: Settings) -> Server:
    """Describe the server without starting it."""
    server = embedded_server(settings)
    found = server.status()
    branch = branch_in_use(settings, server.cluster_dir)
    return Server(
        state=found.state.value,
        project=found.project,
        url=server.url_of(branch.database) if found.url else None,
        branch=branch.name,
        branch_origin=branch.origin,
        database=branch.database,
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


def list_servers(settings: Settings) -> ServerList:
    """List the clusters of all projects, those whose folder is gone as well; starts nothing."""
    state_dir, clusters = _stored(settings)
    return ServerList(state_dir=state_dir, servers=tuple(map(_described, clusters)))


def find_prunable(settings: Settings, unused_days: float | None) -> ServerList:
    """List the clusters whose project's folder is gone.

    With `unused_days` also those that were not used for so long and do not run. One that nobody
    knows the project of is among them only for that.
    """
    state_dir, clusters = _stored(settings)
    before = None if unused_days is None else datetime.now(UTC) - timedelta(days=unused_days)
    return ServerList(
        state_dir=state_dir,
        servers=tuple(_described(one) for one in clusters if _is_prunable(one, before)),
    )


def prune(settings: Settings, servers: Sequence[StoredServer]) -> Pruned:
    """Shut the servers of clusters down, and remove their data."""
    state_dir, _ = _stored(settings)
    removed = []
    for one in servers:
        project = one.project or one.data_dir.parent
        server = EmbeddedServer(
            project, pg_bindir=settings.pg_bindir, cluster_dir=one.data_dir.parent
        )
        if server.destroy():
            removed.append(one)
    return Pruned(state_dir=state_dir, servers=tuple(removed))


def _is_prunable(cluster: StoredCluster, before: datetime | None) -> bool:
    if cluster.is_there is False:
        return True
    unused = before is not None and cluster.last_used is not None and cluster.last_used < before
    return unused and not cluster.is_running


def _stored(settings: Settings) -> tuple[Path, list[StoredCluster]]:
    state_dir = embedded_server(settings).state_dir
    with os_errors_explained(state_dir):
        return state_dir, stored_clusters(state_dir)


def _described(cluster: StoredCluster) -> StoredServer:
    return StoredServer(
        project=cluster.project,
        project_exists=cluster.is_there,
        state="running" if cluster.is_running else "stopped",
        major=cluster.major,
        size_bytes=cluster.size_bytes,
        last_used=cluster.last_used,
        data_dir=cluster.data_dir,
        branches=tuple(noted_names(cluster.folder, "branches")),
        snapshots=tuple(noted_names(cluster.folder, "snapshots")),
    )


def startable(settings: Settings) -> EmbeddedServer:
    """Return the server of the project; raises ConfigurationError in staging and production."""
    # One that was started before ENVIRONMENT was set can still be looked at, stopped and removed.
    if settings.environment.is_deployed:
        raise ConfigurationError(
            "the embedded server is for development and test only, and ENVIRONMENT is "
            f"{settings.environment} ({settings.source_of('environment')})",
            hint="Correct ENVIRONMENT if this is development; elsewhere set DATABASE_URL.",
        )
    return embedded_server(settings)
