"""Numbers, sizes and times as the cells of a table."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from dbctl.figures import ago, duration, size

# Of a long queue only those in front matter.
_NAMED = 2


def missing() -> Text:
    """Return what stands for a value that is not there."""
    return Text("—", style="muted")


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
