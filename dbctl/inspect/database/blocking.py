"""Order what waits below what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def tree(blockers: Mapping[int, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Yield each pid once with its depth: those that wait for nobody, each before its victims.

    `blockers` has all pids in the order wanted among equals; a pid that it lacks blocks without
    being listed. Who waits for several stands below the first. A cycle, which is a deadlock that
    the server has not found yet, begins with the first of its members.
    """
    victims: dict[int, list[int]] = {}
    for pid, of_pid in blockers.items():
        for blocker in of_pid:
            victims.setdefault(blocker, []).append(pid)
    seen: set[int] = set()

    def below(start: int) -> Iterator[tuple[int, int]]:
        waiting = [(start, 0)]
        while waiting:
            pid, depth = waiting.pop()
            if pid in seen:
                continue
            seen.add(pid)
            yield pid, depth
            waiting.extend((victim, depth + 1) for victim in reversed(victims.get(pid, [])))

    roots = [pid for pid, of_pid in blockers.items() if not any(b in blockers for b in of_pid)]
    # Who keeps somebody waiting comes first.
    for pid in sorted(roots, key=lambda pid: not (victims.get(pid) or blockers[pid])):
        yield from below(pid)
    for pid in blockers:
        yield from below(pid)
