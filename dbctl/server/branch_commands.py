"""`dbctl server branch`, `snapshot` and what belongs to them: copies of the embedded database."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dbctl import runtime
from dbctl.errors import ExitCode, UsageError
from dbctl.options import YesOption, command, confirm
from dbctl.output import emit, notice

if TYPE_CHECKING:
    from dbctl.db.embedded_branches import Branch
    from dbctl.db.embedded_databases import Ending
    from dbctl.server.branches import BranchingServer
    from dbctl.settings import Settings


def _known(kind: str) -> list[str]:
    """Return the names that dbctl last saw in the project's clusters, for TAB."""
    from dbctl.db.embedded import EmbeddedServer
    from dbctl.db.embedded_branches import noted_names
    from dbctl.project import find_project

    clusters = EmbeddedServer(find_project(Path.cwd())).clusters_dir.glob("pg*")
    return sorted({name for cluster in clusters for name in noted_names(cluster, kind)})


def _branches() -> list[str]:
    return _known("branches")


def _snapshots() -> list[str]:
    return _known("snapshots")


NewName = Annotated[str, typer.Argument(metavar="NAME", help="Any name, as of a branch of git.")]
BranchName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=_branches)]
SnapshotName = Annotated[str, typer.Argument(metavar="NAME", autocompletion=_snapshots)]
EndSessions = Annotated[
    bool, typer.Option("--end-sessions", help="End the sessions that are in the way.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the group `server`."""
    for function in (
        branch,
        branches,
        switch,
        drop,
        snapshot,
        snapshots,
        restore,
        forget,
    ):
        command(app)(function)


def branch(
    settings: "Settings",
    name: NewName,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="BRANCH",
            autocompletion=_branches,
            help="Copy this one, not the one in use.",
            show_default=False,
        ),
    ] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Use it from now on.")] = False,
    end_sessions: EndSessions = False,
) -> ExitCode:
    """Copy the database in use, or another branch, to a new branch."""
    from dbctl.db.embedded_branches import Branch
    from dbctl.server import branch_views

    server = _server(settings)
    ending = _ending(server, Branch(source) if source else server.in_use, end_sessions)
    return emit(
        runtime.run(lambda: server.create(name, source, ending, switch=switch)),
        branch_views.change,
    )


def branches(settings: "Settings") -> ExitCode:
    """List the branches, and which one is in use."""
    from dbctl.server import branch_views

    server = _server(settings)
    return emit(runtime.run(server.branches), branch_views.branches)


def switch(settings: "Settings", name: BranchName) -> ExitCode:
    """Let every command in this project use a branch; `default` is the first one."""
    from dbctl.server import branch_views

    server = _server(settings)
    return emit(runtime.run(lambda: server.switch(name)), branch_views.change)


def drop(
    settings: "Settings",
    name: BranchName,
    yes: YesOption = False,
    end_sessions: EndSessions = False,
) -> ExitCode:
    """Drop a branch with all that it holds."""
    from dbctl.db.embedded_branches import Branch
    from dbctl.server import branch_views

    server = _server(settings)
    if not yes:
        confirm(
            f"Drop the branch {name} with all it holds?",
            hint="Give --yes to drop it without being asked.",
        )
    ending = _ending(server, Branch(name), end_sessions)
    return emit(runtime.run(lambda: server.drop(name, ending)), branch_views.change)


def snapshot(
    settings: "Settings",
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Without one it is the time.")
    ] = None,
    end_sessions: EndSessions = False,
) -> ExitCode:
    """Keep the state of the database in use, to be restored later."""
    from dbctl.server import branch_views

    server = _server(settings)
    ending = _ending(server, server.in_use, end_sessions)
    return emit(runtime.run(lambda: server.snapshot(name, ending)), branch_views.taken)


def snapshots(settings: "Settings") -> ExitCode:
    """List the snapshots, the newest first."""
    from dbctl.server import branch_views

    server = _server(settings)
    return emit(runtime.run(server.snapshots), branch_views.snapshots)


def restore(
    settings: "Settings",
    name: SnapshotName,
    yes: YesOption = False,
    end_sessions: EndSessions = False,
) -> ExitCode:
    """Set the database in use back to a snapshot; what was done since is lost."""
    from dbctl.server import branch_views

    server = _server(settings)
    found = runtime.run(lambda: server.find_snapshot(name))
    if not yes:
        confirm(
            f"Replace all that the branch {server.in_use.name} holds by the state of "
            f"{found.branch} at {found.taken_at.astimezone():%Y-%m-%d %H:%M:%S}?",
            hint="Give --yes to restore it without being asked.",
        )
    ending = _ending(server, server.in_use, end_sessions)
    return emit(runtime.run(lambda: server.restore(name, ending)), branch_views.restored)


def forget(
    settings: "Settings",
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", autocompletion=_snapshots)
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="All but the newest N.", show_default=False),
    ] = None,
    yes: YesOption = False,
) -> ExitCode:
    """Drop snapshots: those that are named, or all but the newest."""
    from dbctl.server import branch_views

    if bool(names) == (keep is not None):
        raise UsageError("name the snapshots, or give --keep", hint="One of both, and not both.")
    server = _server(settings)
    if keep is not None:
        names = [one.name for one in runtime.run(server.snapshots).snapshots[keep:]]
    chosen = list(dict.fromkeys(names or ()))
    if chosen and not yes:
        confirm(
            f"Drop the snapshots {', '.join(chosen)}?",
            hint="Give --yes to drop them without being asked.",
        )
    return emit(runtime.run(lambda: server.forget(chosen)), branch_views.forgotten)


def _server(settings: "Settings") -> "BranchingServer":
    from dbctl.server.branches import open_server

    return open_server(settings, runtime.find_in_project, notice)


def _ending(server: "BranchingServer", branch: "Branch", end_sessions: bool) -> "Ending":
    """Return which sessions of a branch may be ended; asks for those of dbctl's own.

    Raises RefusedError, code `server_in_use`, where others are connected.
    """
    from dbctl.db.embedded_databases import Ending, in_use

    if end_sessions:
        return Ending.ALL
    found = runtime.run(lambda: server.sessions(branch))
    if not found:
        return Ending.NONE
    if not (all(one.is_own for one in found) and sys.stdin.isatty()):
        raise in_use(branch.database, found)
    confirm(
        f"End {', '.join(one.sentence for one in found)}, which use {branch.database}?",
        hint="Give --end-sessions to end them without being asked.",
    )
    return Ending.OWN
