"""Render one tick of `health --watch` for a terminal, of 60 columns or of 200."""

from collections.abc import Iterator
from datetime import datetime
from enum import IntEnum

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dbctl.figures import duration, plural
from dbctl.health.results import CheckResult, Status
from dbctl.health.views import MARKS, verdict
from dbctl.health.watch.results import Tick
from dbctl.health.watch.sparkline import GAP, sparkline
from dbctl.health.wording import evidence_lines
from dbctl.rendering import safe

# From so many columns on the checks stand beside the vitals, each with what it found.
_WIDE = 140
_VITALS = 84
# Columns of the labels and figures before a line of blocks or a bar, and for what stands behind it.
_BEFORE, _BEHIND, _BAR = 28, 20, 20
# What is told of a check that passes also where there is little room.
_TOLD = {"migrations", "blockers", "transactions", "replication"}
_EVIDENCE = 2
# Lines of the screen that are not this view's.
_ABOVE = 2
_ORDER = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.PASS)


class _Detail(IntEnum):
    """How much is told of the checks: what is wrong, what it rests on, and what is right."""

    TERSE = 0
    BRIEF = 1
    WHOLE = 2


def tick(seen: Tick) -> RenderableType:
    """Show the verdict, how the database does, and the checks, what is wrong first."""
    return _Screen(seen)


class _Screen:
    def __init__(self, seen: Tick) -> None:
        self._seen = seen

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Tell as much as the window has room for."""
        room, width = max(console.height - _ABOVE, 1), options.max_width
        most = _Detail.WHOLE if width >= _WIDE else _Detail.BRIEF
        for detail in range(most, _Detail.TERSE, -1):
            laid_out = _laid_out(self._seen, width, _Detail(detail))
            if len(console.render_lines(laid_out, options, pad=False)) <= room:
                yield laid_out
                return
        yield _laid_out(self._seen, width, _Detail.TERSE)


def _laid_out(seen: Tick, width: int, detail: _Detail) -> RenderableType:
    """Put the parts below each other, or beside each other where they have the room."""
    checks = _checks(seen, detail)
    if width < _WIDE:
        return Group(_verdict(seen), Text(), _vitals(seen, width), Text(), checks)
    both = Table.grid(expand=True, padding=(0, 3, 0, 0))
    both.add_column(width=_VITALS)
    both.add_column(ratio=1)
    both.add_row(_vitals(seen, _VITALS), checks)
    return Group(_verdict(seen), Text(), both)


def _verdict(seen: Tick) -> Text:
    line = verdict(seen.report)
    if (since := seen.vitals.unreachable_since) is not None:
        away = duration((seen.report.time - since).total_seconds())
        line.append(f" since {_clock(since)} ({away})", "bad")
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _vitals(seen: Tick, width: int) -> Table:
    """Show the figures; one that is not known, or that was not asked for, is a dash."""
    found = {check.name: check for check in seen.report.checks}
    room = width - _BEFORE
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="muted", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, min_width=11)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    grid.add_row("  latency", *_latency(seen, found.get("connection"), room))
    grid.add_row("  connections", *_connections(found.get("connections"), room))
    recent, whole = seen.vitals.recent, seen.vitals.whole
    if recent is None:
        rows, transactions = (_missing(), Text()), (_missing(), Text())
    else:
        transactions = (
            _rate(recent.commits_per_second),
            Text.assemble("committed · ", _rate(recent.rollbacks_per_second), " rolled back"),
        )
        rows = (
            _rate(recent.rows_read_per_second),
            Text.assemble("read · ", _rate(recent.rows_written_per_second), " written"),
        )
    grid.add_row("  transactions", *transactions)
    grid.add_row("  rows", *rows)
    if whole is None or whole.cache_hit_percent is None:
        grid.add_row("  cache hits", _missing(), "")
    else:
        over = f"in {duration(whole.seconds)}"
        grid.add_row("  cache hits", f"{whole.cache_hit_percent:.1f} %", Text(over, "muted"))
    return grid


def _latency(
    seen: Tick, check: CheckResult | None, room: int
) -> tuple[RenderableType, RenderableType]:
    shown = seen.latencies[-max(room - _BEHIND, 1) :]
    known = [value for value in shown if value is not None]
    line = Text(sparkline(shown))
    line.highlight_words([GAP], "bad")
    if known:
        line.append(f"  up to {_milliseconds(max(known))}", "muted")
    last = shown[-1] if shown else None
    if last is None:
        return _missing(), line
    return Text(_milliseconds(last), _style(check)), line


def _milliseconds(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def _connections(check: CheckResult | None, room: int) -> tuple[RenderableType, RenderableType]:
    used, usable = (check.observed.get(name) if check else None for name in ("used", "usable"))
    if check is None or not isinstance(used, int) or not isinstance(usable, int):
        return _missing(), Text()
    style = _style(check)
    bar = ProgressBar(
        total=max(usable, 1),
        completed=used,
        width=min(_BAR, max(room - _BEHIND, 5)),
        complete_style=style or "key",
        finished_style=style or "key",
        style="muted",
    )
    idle = check.observed.get("idle_in_transaction")
    beside = Table.grid(padding=(0, 2, 0, 0))
    beside.add_row(bar, Text(f"{idle} idle in xact" if idle else "", "muted", no_wrap=True))
    # Superusers have further ones, which are reserved for them.
    of = check.observed.get("max_connections", usable) if used > usable else usable
    return Text(f"{used:,} of {of:,}", style), beside


def _rate(per_second: float) -> Text:
    digits = 1 if 0 < per_second < 10 else 0
    return Text(f"{per_second:,.{digits}f}/s")


def _missing() -> Text:
    return Text("—", "muted")


def _style(check: CheckResult | None) -> str:
    """Colour a figure where its check finds fault with it."""
    troubled = check is not None and check.status in (Status.WARN, Status.FAIL)
    return MARKS[check.status][1] if check is not None and troubled else ""


def _checks(seen: Tick, detail: _Detail) -> RenderableType:
    """List the checks, what is wrong first, and count those that are not told of."""
    checks = sorted(seen.report.checks, key=lambda check: _ORDER.index(check.status))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(style="key", no_wrap=True)
    grid.add_column(overflow="fold")
    passed = 0
    for check in checks:
        if seen.report.error and check.status is Status.UNKNOWN:
            continue  # the verdict has told why
        if check.status is Status.PASS and not _is_told(check, detail):
            passed += 1
            continue
        mark, style = MARKS[check.status]
        grid.add_row(Text(f"  {mark}", style), safe(check.name), _summary(check, detail))
        for line in _below(check, detail):
            grid.add_row("", "", line)
    if not passed:
        return grid
    mark, style = MARKS[Status.PASS]
    others = plural(passed, "other check passes", "other checks pass")
    return Group(grid, Text.assemble((f"  {mark}  ", style), (others, "muted")))


def _is_told(check: CheckResult, detail: _Detail) -> bool:
    return detail is _Detail.WHOLE or (detail is _Detail.BRIEF and check.name in _TOLD)


def _summary(check: CheckResult, detail: _Detail) -> Text:
    """Return what a check found, on one line where nothing has to be done about it."""
    unknown = check.status is Status.UNKNOWN
    line = safe(check.summary, "muted" if unknown else "")
    if check.status is Status.PASS or (unknown and detail is _Detail.TERSE):
        line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _below(check: CheckResult, detail: _Detail) -> Iterator[Text]:
    """Return what a finding rests on, and what is to be done, which is never cut."""
    unknown = check.status is Status.UNKNOWN
    if check.status is Status.PASS or (unknown and detail is _Detail.TERSE):
        return
    if not unknown and detail is not _Detail.TERSE:
        for line in evidence_lines(check, _EVIDENCE):
            piece = Text.assemble(("• ", "muted"), safe(line, "muted"))
            piece.no_wrap, piece.overflow = True, "ellipsis"
            yield piece
    if check.remedy:
        yield Text.assemble(("→ ", "key"), safe(check.remedy))
