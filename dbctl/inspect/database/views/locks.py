"""`inspect locks` for people."""

from rich.console import RenderableType
from rich.text import Text

from dbctl.inspect.database.results.locks import Lock, LocksResult
from dbctl.inspect.database.views.figures import duration_cell, missing
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import IDENTIFYING, GridColumn
from dbctl.rendering import safe

_SPARE = ("query", "user", "application", "in xact")
_STRONG = ("AccessExclusiveLock", "ExclusiveLock")


def locks(result: LocksResult) -> RenderableType:
    """Show the locks by what is locked; its name stands at its first lock."""
    if not result.locks:
        return safe(f"no locks in {result.database}", "muted")
    columns = [
        GridColumn("locked", floor=IDENTIFYING),
        GridColumn("mode", floor=24),
        GridColumn("pid", "right"),
        GridColumn("granted", floor=20),
        GridColumn("blocked by"),
        GridColumn("in xact", "right"),
        GridColumn("user", floor=20),
        GridColumn("application", floor=20),
        GridColumn("query", floor=20),
    ]
    rows = []
    before = None
    for lock in result.locks:
        rows.append(
            [
                Text() if lock.target == before else safe(lock.target),
                Text(_mode(lock.mode), "warn" if lock.mode in _STRONG else ""),
                missing() if lock.pid is None else Text(f"{lock.pid}"),
                _granted(lock),
                _blockers(lock),
                duration_cell(lock.transaction_seconds),
                safe(lock.user) if lock.user else missing(),
                safe(lock.application) if lock.application else missing(),
                safe(" ".join(lock.query.split()), "muted") if lock.query else missing(),
            ]
        )
        before = lock.target
    return Fitted(columns, rows, spare=_SPARE)


def _mode(mode: str) -> str:
    """Write AccessShareLock as SQL does: ACCESS SHARE."""
    name = mode.removesuffix("Lock")
    return "".join(f" {c}" if c.isupper() and at else c for at, c in enumerate(name)).upper()


def _granted(lock: Lock) -> Text:
    if lock.granted:
        return Text("yes", "muted")
    if lock.waiting_seconds is None:
        return Text("waits", "bad")
    return Text.assemble(("waits ", "bad"), duration_cell(lock.waiting_seconds, "bad"))


def _blockers(lock: Lock) -> Text:
    if not lock.blocked_by:
        return missing()
    return Text(", ".join(f"{pid}" if pid else "prepared" for pid in lock.blocked_by), "warn")
