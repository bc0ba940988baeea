"""What one tick of `health --watch` returns."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from dbctl.health.document import HealthDocument, health_document, moment
from dbctl.health.results import HealthReport
from dbctl.health.watch.vitals import Rates
from dbctl.results import Result


class Vitals(BaseModel):
    """How busy the database is: `recent` over the last moments, `whole` over the last ticks.

    Both are None without two samples to compare. `unreachable_since` is when the connection was
    found lost, None while there is one.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    recent: Rates | None = None
    whole: Rates | None = None
    unreachable_since: datetime | None = None


class Tick(Result):
    """A report, and how the database does meanwhile.

    `latencies` are those of the last ticks in milliseconds, the latest last; None where there was
    no answer.
    """

    report: HealthReport
    vitals: Vitals
    latencies: tuple[float | None, ...] = ()

    def document(self) -> BaseModel:
        """Return the document of the report, and the vitals with it."""
        vitals = {"vitals": _document(self.vitals)}
        return HealthDocument({**health_document(self.report).root, **vitals})


def _document(vitals: Vitals) -> dict[str, object]:
    """Return the vitals as JSON shows them; what is not known is left out."""
    recent, since = vitals.recent, vitals.unreachable_since
    known: dict[str, object] = {}
    if recent is not None:
        known = {
            "seconds": round(recent.seconds, 3),
            "commitsPerSecond": round(recent.commits_per_second, 2),
            "rollbacksPerSecond": round(recent.rollbacks_per_second, 2),
            "rowsReadPerSecond": round(recent.rows_read_per_second, 2),
            "rowsWrittenPerSecond": round(recent.rows_written_per_second, 2),
        }
    if vitals.whole is not None and vitals.whole.cache_hit_percent is not None:
        known["cacheHitPercent"] = round(vitals.whole.cache_hit_percent, 2)
        known["cacheHitSeconds"] = round(vitals.whole.seconds, 3)
    if since is not None:
        known["unreachableSince"] = moment(since)
    return known
