"""A report in Prometheus' text format, as the node exporter's textfile collector reads it.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
from collections.abc import Iterable, Iterator, Mapping

from dbctl.health.results import HealthReport, Status

type Sample = tuple[Mapping[str, str], float]


def exposition(report: HealthReport) -> str:
    """Return the metrics of a report, each line ended.

    The time is a metric: the textfile collector refuses samples that bear a time of their own.
    """
    base = {"database": report.database, "environment": report.environment.value}
    return "".join(
        [
            *family(
                "dbctl_health_status",
                "Whether the database is fit to serve: 1 for the status that holds.",
                _states(base, report.status),
            ),
            *family(
                "dbctl_health_timestamp_seconds",
                "When it was looked at, in seconds since 1970.",
                [(base, report.time.timestamp())],
            ),
            *family(
                "dbctl_check_status",
                "What each check found: 1 for the status that holds.",
                (
                    sample
                    for check in report.checks
                    for sample in _states(base | {"check": check.name}, check.status)
                ),
            ),
            *family(
                "dbctl_check_value",
                "The value that the status of a check rests on.",
                (
                    (_of_check(base, check.name, check.observed_unit), check.observed_value)
                    for check in report.checks
                    if isinstance(check.observed_value, int | float)
                ),
            ),
            *family(
                "dbctl_check_threshold",
                "From which value on a check warns or fails.",
                (
                    (_of_check(base, check.name, check.observed_unit) | {"level": level}, value)
                    for check in report.checks
                    for level, value in (("warn", check.warn), ("fail", check.fail))
                    if value is not None
                ),
            ),
        ]
    )


def family(
    name: str, about: str, samples: Iterable[Sample], *, kind: str = "gauge"
) -> Iterator[str]:
    """Yield the lines of one metric: what it is, and its samples."""
    yield f"# HELP {name} {about}\n"
    yield f"# TYPE {name} {kind}\n"
    for labels, value in samples:
        written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{written}}} {_number(value)}\n" if written else f"{name} {_number(value)}\n"


def _states(labels: Mapping[str, str], holds: Status) -> Iterator[Sample]:
    for status in Status:
        yield {**labels, "status": status.value}, float(status is holds)


def _of_check(base: Mapping[str, str], name: str, unit: str | None) -> dict[str, str]:
    return {**base, "check": name, "unit": unit or ""}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))
