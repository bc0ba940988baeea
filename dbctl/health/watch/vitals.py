"""How busy a database is, from counters that only ever rise, until they begin anew."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

# So many ticks are remembered, for the latency and for the share of cache hits.
TICKS = 60
# Seconds that a rate is over at least, once there are so many: a server process reports what it did
# once a second at most.
_SMOOTHED = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The counters of a database at one moment; `taken` is in seconds of a steady clock.

    `reset_at` and `started_at` are when the counters, and the server, began. `own_commits` are
    those of who takes the samples.
    """

    taken: float
    reset_at: datetime | None
    started_at: datetime
    commits: int
    rollbacks: int
    hits: int
    misses: int
    rows_read: int
    rows_written: int
    own_commits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a database did between two samples, per second and without their taker's commits.

    `cache_hit_percent` is the share of blocks that were found in the server's memory, None where
    none was looked for.
    """

    seconds: float
    commits_per_second: float
    rollbacks_per_second: float
    rows_read_per_second: float
    rows_written_per_second: float
    cache_hit_percent: float | None


_COUNTERS = ("commits", "rollbacks", "hits", "misses", "rows_read", "rows_written")


def began_anew(before: Sample, after: Sample) -> bool:
    """Tell whether the counters were reset between two samples."""
    if (before.reset_at, before.started_at) != (after.reset_at, after.started_at):
        return True
    return any(getattr(after, name) < getattr(before, name) for name in _COUNTERS)


def rates(before: Sample, after: Sample) -> Rates | None:
    """Return what was done between two samples; None where that cannot be told.

    That is where no time has passed, and where the counters were reset in between.
    """
    seconds = after.taken - before.taken
    if seconds <= 0 or began_anew(before, after):
        return None
    done = {name: getattr(after, name) - getattr(before, name) for name in _COUNTERS}
    # The server may not have heard of our own last ones yet.
    commits = max(done["commits"] - (after.own_commits - before.own_commits), 0)
    looked_for = done["hits"] + done["misses"]
    return Rates(
        seconds=seconds,
        commits_per_second=commits / seconds,
        rollbacks_per_second=done["rollbacks"] / seconds,
        rows_read_per_second=done["rows_read"] / seconds,
        rows_written_per_second=done["rows_written"] / seconds,
        cache_hit_percent=100 * done["hits"] / looked_for if looked_for else None,
    )


class History:
    """The last samples of one database, as long as they can be compared."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=TICKS + 1)

    def add(self, sample: Sample) -> None:
        """Remember a sample, and forget the ones before it where the counters were reset."""
        if self._samples and began_anew(self._samples[-1], sample):
            self._samples.clear()
        self._samples.append(sample)

    def forget(self) -> None:
        """Begin again, as after a time without a connection."""
        self._samples.clear()

    def recent(self) -> Rates | None:
        """Return what is being done, over the last moments."""
        if not self._samples:
            return None
        last = self._samples[-1]
        long_ago = (one for one in reversed(self._samples) if last.taken - one.taken >= _SMOOTHED)
        return rates(next(long_ago, self._samples[0]), last)

    def whole(self) -> Rates | None:
        """Return what was done since the oldest sample."""
        return rates(self._samples[0], self._samples[-1]) if self._samples else None
