"""Who stands at the head of each queue for a lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Blocker:
    """Who waits in the end for one session, and how many seconds the longest of them has."""

    victims: set[int] = field(default_factory=set)
    seconds: float = 0.0


def heads(waits: Sequence[Mapping[str, Any]]) -> dict[int, Blocker]:
    """Return who waits for nobody, or in a circle, and keeps others waiting, by pid.

    `waits` has a row for each pair of who waits and who is waited for. One who waits for several is
    counted with each of them.
    """
    blocked_by: dict[int, set[int]] = {}
    for row in waits:
        blocked_by.setdefault(row["pid"], set()).update({row["blocked_by"]} - {row["pid"], None})
    found: dict[int, Blocker] = {}
    for row in waits:
        for head in _heads(row["pid"], blocked_by) - {row["pid"]}:
            blocker = found.setdefault(head, Blocker())
            blocker.victims.add(row["pid"])
            blocker.seconds = max(blocker.seconds, row["seconds"])
    return found


def _heads(pid: int, blocked_by: Mapping[int, set[int]]) -> set[int]:
    """Return those ahead of `pid` who wait for nobody, else one of the circle that it waits for."""
    seen, ahead = {pid}, [pid]
    heads = set()
    while ahead:
        one = ahead.pop()
        further = blocked_by.get(one)
        if not further:
            heads.add(one)
            continue
        ahead.extend(further - seen)
        seen |= further
    return heads or {_in_circle(pid, blocked_by)}


def _in_circle(pid: int, blocked_by: Mapping[int, set[int]]) -> int:
    """Return the first of the circle that `pid` waits for: a deadlock not found yet."""
    path = [pid]
    while (one := min(blocked_by[path[-1]])) not in path:
        path.append(one)
    return min(path[path.index(one) :])
