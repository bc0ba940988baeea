"""`inspect locks` for people."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dbctl.inspect.database.results.locks import Lock, LocksResult
from dbctl.inspect.database.views.figures import duration_cell, missing, pids_cell
from dbctl.inspect.database.views.fitted import Fitted
from dbctl.inspect.grid import IDENTIFYING, GridColumn
from dbctl.rendering import line, safe

_SPARE = ("query", "user", "application", "in xact")
_STRONG = ("AccessExclusiveLock", "ExclusiveLock")


def locks(result: LocksResult) -> RenderableType:
    """Show the locks by what is locked, and how a transaction that blocks unseen is ended."""
    if not result.locks:
        return safe(f"no locks in {result.database}", "muted")
    return Group(_grid(result), *_prepared(result))


def _prepared(result: LocksResult) -> Iterator[Text]:
    """Yield what ends the prepared transactions, which no session shows."""
    for remedy in dict.fromkeys(lock.remedy for lock in result.locks):
        if remedy is not None:
            told = ("to end what is prepared: ", "muted")
            yield Text.assemble(told, line(remedy), no_wrap=True, overflow="ignore")


def _grid(result: LocksResult) -> RenderableType:
    """Show the name of what is locked at its first lock."""
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
                _who(lock),
                _granted(lock),
                pids_cell(lock.blocked_by),
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


def _who(lock: Lock) -> Text:
    if lock.pid is not None:
        return Text(f"{lock.pid}")
    return missing() if lock.prepared is None else Text("prepared", "warn")
