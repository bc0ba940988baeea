"""The JSON of a report: application/health+json, and the JSON Schema that it fits.

The shape is that of draft-inadarei-api-health-check-06; what it does not know (`unknown`,
`thresholds`, `evidence`, `observed`, `remedy`, `environment`, `error`) is dbctl's own.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from pydantic import RootModel

from dbctl import __version__
from dbctl.health.results import CheckResult, Component, HealthReport, Status

MEDIA_TYPE = "application/health+json"
# Of the shape of the document: a new key does not change it, a changed one does.
_VERSION = "1"


class HealthDocument(RootModel[Mapping[str, Any]]):
    """The document, as `schema` describes it."""


def health_document(report: HealthReport) -> HealthDocument:
    """Return the document of a report."""
    document: dict[str, Any] = {
        "status": report.status.value,
        "version": _VERSION,
        "releaseId": __version__,
        "serviceId": report.database,
        "description": f"Whether {report.database} is fit to serve",
        "environment": report.environment.value,
        "time": moment(report.time),
        "checks": {
            f"{check.name}:{check.measurement}": [_check(check, report.database)]
            for check in report.checks
        },
    }
    if report.error is not None:
        document["error"] = report.error.model_dump(mode="json")
        document["output"] = report.error.message
    return HealthDocument(document)


def _check(check: CheckResult, database: str) -> dict[str, Any]:
    """Return one check; what there is none of is left out, and of a pass the output."""
    is_datastore = check.component is Component.DATASTORE
    given = {
        "componentId": database if is_datastore else None,
        "componentType": check.component.value,
        "observedValue": check.observed_value,
        "observedUnit": check.observed_unit if check.observed_value is not None else None,
        "status": check.status.value,
        "time": moment(check.time),
        "output": check.summary if check.status is not Status.PASS else None,
        "thresholds": _thresholds(check),
        "evidence": list(check.evidence) or None,
        "evidenceTotal": check.evidence_total or None,
        "observed": dict(check.observed) or None,
        "remedy": check.remedy,
    }
    return {name: value for name, value in given.items() if value is not None}


def _thresholds(check: CheckResult) -> dict[str, float] | None:
    held = {"warn": check.warn, "fail": check.fail}
    return {level: value for level, value in held.items() if value is not None} or None


def moment(time: datetime) -> str:
    """Write a moment as every time of the document is."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def schema() -> str:
    """Return the text of the JSON Schema (draft 2020-12) that every document fits."""
    folder = resources.files("dbctl.health") / "schema"
    return (folder / "health.schema.json").read_text(encoding="utf-8")
