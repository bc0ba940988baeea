"""Numbers, sizes and times as people read them."""

from datetime import datetime

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


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
