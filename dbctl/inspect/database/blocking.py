"""Order what waits below what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def tree(blockers: Mapping[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Yield each pid once with its depth: those that wait for nobody, each before its victims.

    `blockers` has all pids in the order wanted among equals; a pid that it lacks blocks without
    being listed. Who waits for several stands below the one nearest to the top. A cycle, which is
    a deadlock that the server has not found yet, begins with the first of its members.
    """
    victims: dict[int, list[int]] = {}
    for pid, of_pid in blockers.items():
        for blocker in dict.fromkeys(of_pid):
            victims.setdefault(blocker, []).append(pid)
    roots = [pid for pid, of_pid in blockers.items() if not any(b in blockers for b in of_pid)]
    # Who keeps somebody waiting comes first.
    roots.sort(key=lambda pid: not (victims.get(pid) or blockers[pid]))
    below: dict[int, list[int]] = {}
    for start in (roots, *([pid] for pid in blockers)):
        # Level by level, so that a queue hangs on who holds it up and not on one another.
        level = [pid for pid in start if pid not in below]
        below |= {pid: [] for pid in level}
        tops = list(level)
        while level:
            placed = []
            for pid in level:
                for victim in victims.get(pid, []):
                    if victim not in below:
                        below[victim] = []
                        below[pid].append(victim)
                        placed.append(victim)
            level = placed
        yield from _descend(tops, below)


def _descend(tops: Sequence[int], below: Mapping[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
    waiting = [(pid, 0) for pid in reversed(tops)]
    while waiting:
        pid, depth = waiting.pop()
        yield pid, depth
        waiting.extend((victim, depth + 1) for victim in reversed(below[pid]))
