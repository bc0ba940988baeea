"""Render what the operations on branches and snapshots return."""

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from dbctl.figures import plural
from dbctl.rendering import safe
from dbctl.rendering import table as new_table
from dbctl.server.branch_results import (
    BranchChange,
    BranchList,
    Snapshot,
    SnapshotList,
    SnapshotRestored,
    SnapshotsForgotten,
    SnapshotTaken,
)


def branches(result: BranchList) -> RenderableType:
    """Show the branches, the one in use marked as git does."""
    grid = new_table()
    grid.add_column("branch", overflow="fold")
    grid.add_column("made from", overflow="fold")
    grid.add_column("made", no_wrap=True)
    grid.add_column("size", justify="right", no_wrap=True)
    grid.add_column("sessions", justify="right")
    for one in result.branches:
        name = Text("* " if one.in_use else "  ", "ok")
        grid.add_row(
            Text.assemble(name, safe(one.name, "key")),
            safe(one.made_from or "—", "" if one.made_from else "muted"),
            f"{one.made_at.astimezone():%Y-%m-%d %H:%M}" if one.made_at else "—",
            decimal(one.size_bytes),
            str(one.sessions),
        )
    parts: list[RenderableType] = [
        grid,
        safe(f"in use: {result.in_use} ({result.origin})", "muted"),
    ]
    if not any(one.in_use for one in result.branches):
        parts.append(safe(f"{result.in_use} is made at its first use", "warn"))
    return Group(*parts)


def change(result: BranchChange) -> RenderableType:
    """Say what was done to a branch, and which one commands use."""
    made_from = f" from {result.made_from}" if result.made_from else ""
    to = " to" if result.action == "switched" else ""
    what = f"{result.action}{to} branch {result.branch}{made_from}"
    parts: list[RenderableType] = [Text.assemble(("✓ ", "ok"), safe(what))]
    if result.action == "created" and result.in_use != result.branch:
        parts.append(
            safe(f"still in use: {result.in_use}; `dbctl server switch {result.branch}`", "muted")
        )
    return Group(*parts)


def snapshots(result: SnapshotList) -> RenderableType:
    """Show the snapshots, the newest first."""
    if not result.snapshots:
        return Text("no snapshot was taken: `dbctl server snapshot` takes one", "muted")
    return _listed(result.snapshots)


def taken(result: SnapshotTaken) -> RenderableType:
    """Say which snapshot was taken."""
    size = decimal(result.size_bytes)
    what = f"took snapshot {result.name} of branch {result.branch} ({size})"
    return Text.assemble(("✓ ", "ok"), safe(what))


def restored(result: SnapshotRestored) -> RenderableType:
    """Say what a branch was set back to."""
    at = f"{result.taken_at.astimezone():%Y-%m-%d %H:%M:%S}"
    what = (
        f"restored branch {result.branch} from snapshot {result.snapshot}, "
        f"taken of {result.taken_of} at {at}"
    )
    return Text.assemble(("✓ ", "ok"), safe(what))


def forgotten(result: SnapshotsForgotten) -> RenderableType:
    """Say which snapshots were dropped."""
    if not result.snapshots:
        return Text("Nothing to do: no snapshot is to be dropped.", "muted")
    count = plural(len(result.snapshots), "snapshot")
    return Group(_listed(result.snapshots), Text.assemble(("✓ ", "ok"), f"dropped {count}"))


def _listed(found: tuple[Snapshot, ...]) -> RenderableType:
    grid = new_table()
    grid.add_column("snapshot", overflow="fold", style="key")
    grid.add_column("of branch", overflow="fold")
    grid.add_column("taken", no_wrap=True)
    grid.add_column("size", justify="right", no_wrap=True)
    for one in found:
        grid.add_row(
            safe(one.name),
            safe(one.branch),
            f"{one.taken_at.astimezone():%Y-%m-%d %H:%M:%S}",
            decimal(one.size_bytes),
        )
    return grid
