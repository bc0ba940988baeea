"""Numbers, sizes and times as people read them."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
# Of a long queue only those in front matter.
_NAMED = 2
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def missing() -> Text:
    """Return what stands for a value that is not there."""
    return Text("—", style="muted")


def size(count: int) -> str:
    """Write a number of bytes for people, in powers of 1024 as PostgreSQL does."""
    value, power = float(count), 0
    while value >= 1000 and power < len(_UNITS) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.{int(power > 0 and value < 10)}f} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Write a duration for people, in its two largest units at most."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d {whole % _DAY // _HOUR:02}h"


def ago(moment: datetime, now: datetime) -> str:
    """Write how long before `now` something was, in its largest unit."""
    seconds = max((now - moment).total_seconds(), 0)
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:,.0f} {name} ago"
    return f"{seconds:.0f} s ago"


def plural(count: int, word: str, words: str | None = None) -> str:
    """Write a count with its noun; `words` is its plural where that is not regular."""
    return f"{count:,} {word if count == 1 else words or word + 's'}"


def size_cell(count: int | None) -> Text:
    """Return a size as a cell."""
    return missing() if count is None else Text(size(count))


def count_cell(count: int | None) -> Text:
    """Return a count as a cell; nothing to see in a zero."""
    return missing() if count is None else Text(f"{count:,}", style="" if count else "muted")


def estimate_cell(count: int | None) -> Text:
    """Return a number that is not exact as a cell."""
    return missing() if count is None else Text(f"~{count:,}")


def duration_cell(seconds: float | None, style: str = "") -> Text:
    """Return a duration as a cell."""
    return missing() if seconds is None else Text(duration(seconds), style=style)


def latest(by_hand: datetime | None, auto: datetime | None, now: datetime) -> Text:
    """Return when the later of two was as a cell, and whether it was the automatic one."""
    moments: Sequence[tuple[datetime, str]] = [
        (moment, word) for moment, word in ((by_hand, ""), (auto, " auto")) if moment is not None
    ]
    if not moments:
        return missing()
    moment, word = max(moments)
    return Text.assemble(ago(moment, now), (word, "muted"))


def pids_cell(blockers: Sequence[int]) -> Text:
    """Return who keeps somebody waiting as a cell; 0 is a prepared transaction."""
    if not blockers:
        return missing()
    named = [f"{pid}" if pid else "prepared" for pid in blockers[:_NAMED]]
    more = f" +{len(blockers) - _NAMED}" if len(blockers) > _NAMED else ""
    return Text(", ".join(named) + more, "warn")
