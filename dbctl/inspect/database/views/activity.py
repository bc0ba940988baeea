"""`inspect activity` for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.figures import plural
from dbctl.inspect.database.results.activity import ActivityResult, Backend
from dbctl.inspect.database.views.figures import duration_cell, missing, pids_cell
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import GridColumn
from dbctl.rendering import line, safe

_SPARE = ("client", "database", "blocked by", "wait", "in state", "application", "user", "kind")
# Seconds from which an open transaction holds back vacuum, and others, for too long.
_LONG = 60.0
# Steps of the tree that are drawn: a pid must stay in sight.
_STEPS = 6


def activity(result: ActivityResult) -> RenderableType:
    """Show the sessions, each below the one it waits for, and how one is ended."""
    return Group(*_parts(result))


def _parts(result: ActivityResult) -> Iterator[RenderableType]:
    if result.backends:
        yield _grid(result)
    else:
        yield safe(f"nothing runs in {result.database}", "muted")
    if result.idle and not result.every:
        yield Text(f"{plural(result.idle, 'idle session')} not shown; --all shows them", "muted")
    if result.grant:
        processes = plural(result.hidden, "process of another role", "processes of other roles")
        yield Text.assemble(
            (f"{processes} cannot be looked into", "warn"),
            ("; with this they can: ", "muted"),
            line(result.grant),
        )
    if any(0 in backend.blocked_by for backend in result.backends):
        yield Text("a prepared transaction blocks; `dbctl inspect locks` names it", "muted")
    if blocker := next((b for b in result.backends if _blocks(b, result)), None):
        yield Text.assemble(
            ("to cancel what a session runs, or end it: ", "muted"),
            f"select pg_cancel_backend({blocker.pid})",
            (" or ", "muted"),
            f"pg_terminate_backend({blocker.pid})",
        )


def _blocks(backend: Backend, result: ActivityResult) -> bool:
    return not backend.blocked_by and any(backend.pid in b.blocked_by for b in result.backends)


def _grid(result: ActivityResult) -> RenderableType:
    columns = [
        GridColumn("pid", floor=20),
        GridColumn("kind", floor=20),
        GridColumn("user", floor=20),
        GridColumn("application", floor=20),
        GridColumn("client", floor=40),
        GridColumn("database", floor=20),
        GridColumn("state", floor=19),
        GridColumn("in xact", "right"),
        GridColumn("in state", "right"),
        GridColumn("wait", floor=24),
        GridColumn("blocked by", floor=20),
        GridColumn("query", floor=16),
    ]
    blocking = {pid for backend in result.backends for pid in backend.blocked_by}
    one_kind = len({backend.kind for backend in result.backends}) == 1
    one_database = len({backend.database for backend in result.backends}) == 1
    rows = [
        [
            _pid(backend, blocking),
            safe("" if one_kind else backend.kind, "muted"),
            safe(backend.user) if backend.user else missing(),
            safe(backend.application) if backend.application else missing(),
            safe(backend.client, "muted") if backend.client else missing(),
            safe("" if one_database else backend.database or "", "muted"),
            _state(backend),
            duration_cell(
                backend.transaction_seconds,
                "warn" if (backend.transaction_seconds or 0) >= _LONG else "",
            ),
            duration_cell(backend.state_seconds),
            _wait(backend),
            pids_cell(backend.blocked_by),
            _query(backend),
        ]
        for backend in result.backends
    ]
    return Fitted(columns, rows, spare=_SPARE)


def _pid(backend: Backend, blocking: set[int]) -> Text:
    branch = "  " * (min(backend.depth, _STEPS) - 1) + "└ " if backend.depth else ""
    style = "bad" if backend.pid in blocking and not backend.blocked_by else ""
    return Text.assemble((branch, "muted"), (f"{backend.pid}", style))


def _state(backend: Backend) -> Text:
    if backend.state is None:
        return missing()
    style = {"active": "ok", "idle": "muted"}.get(backend.state, "warn")
    return Text(backend.state, style)


def _wait(backend: Backend) -> Text:
    if backend.wait_event is None:
        return missing()
    style = "warn" if backend.wait_event_type == "Lock" else "muted"
    return Text(f"{backend.wait_event_type}: {backend.wait_event}", style)


def _query(backend: Backend) -> Text:
    if backend.hidden:
        return Text("hidden", "muted")
    if backend.query is None:
        return missing()
    style = "" if backend.state == "active" else "muted"
    return safe(" ".join(backend.query.split()), style)
