"""What other programs read of a report: health+json, Prometheus' text, JUnit's XML."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError

from dbctl.errors import ErrorCode, ExitCode
from dbctl.health.junit import junit
from dbctl.health.prometheus import exposition
from dbctl.health.results import CheckResult, Component, HealthReport, Status, overall
from dbctl.results import ErrorBody
from dbctl.settings import Environment
from tests.support.health import validate

PASSED = CheckResult(
    name="connection",
    measurement="responseTime",
    status=Status.PASS,
    summary="1.2 ms · PostgreSQL 18.6",
    observed_value=1.2,
    observed_unit="ms",
    warn=250,
    fail=1000,
    observed={"in_recovery": False, "tls": None},
)
WARNED = CheckResult(
    name="indexes",
    measurement="invalid",
    status=Status.WARN,
    summary="2 indexes are invalid",
    observed_value=2,
    observed_unit="indexes",
    evidence=({"index": "public.a", "bytes": 8192}, {"index": "public.b", "bytes": None}),
    evidence_total=12,
    remedy="REINDEX INDEX CONCURRENTLY public.a;",
)
FAILED = CheckResult(
    name="migrations",
    status=Status.FAIL,
    summary="1 revision pending after r1",
    observed_value="pending",
    observed={"pending": ("r2",)},
    remedy="dbctl migrate up",
)
UNKNOWN = CheckResult(
    name="slots",
    measurement="retained",
    component=Component.SYSTEM,
    status=Status.UNKNOWN,
    summary="permission denied",
    observed_unit="bytes",
)


def report(
    *checks: CheckResult,
    strict: bool = False,
    database: str = "db.example.com:5432/app",
    error: ErrorBody | None = None,
) -> HealthReport:
    return HealthReport(
        status=overall(checks),
        database=database,
        environment=Environment.STAGING,
        time=datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC),
        checks=checks,
        strict=strict,
        error=error,
    )


EVERY = report(PASSED, WARNED, FAILED, UNKNOWN)


def document_of(found: HealthReport) -> Any:
    return json.loads(found.document().model_dump_json())


def test_the_document_is_that_of_the_draft_and_fits_the_schema() -> None:
    document = document_of(EVERY)
    validate(document)
    assert document["status"] == "fail"
    assert document["time"] == "2026-11-22T12:00:00.500Z"
    (connection,) = document["checks"]["connection:responseTime"]
    assert connection["componentType"] == "datastore"
    assert (connection["observedValue"], connection["observedUnit"]) == (1.2, "ms")
    assert connection["thresholds"] == {"warn": 250, "fail": 1000}
    assert "output" not in connection
    (indexes,) = document["checks"]["indexes:invalid"]
    assert indexes["output"] == "2 indexes are invalid"
    assert indexes["evidence"][1] == {"index": "public.b", "bytes": None}
    assert indexes["evidenceTotal"] == 12
    (slots,) = document["checks"]["slots:retained"]
    assert slots.keys() == {"componentType", "status", "time", "output"}


def unreachable() -> HealthReport:
    error = ErrorBody(
        code=ErrorCode.CONNECTION_FAILED,
        message="cannot connect",
        hint=None,
        exit_code=ExitCode.UNREACHABLE,
    )
    lost = CheckResult(name="connection", status=Status.FAIL, summary="cannot connect")
    return report(lost, UNKNOWN, error=error)


def test_the_document_of_an_unreachable_database_has_the_error_and_fits_the_schema() -> None:
    document = document_of(unreachable())
    validate(document)
    assert document["error"]["code"] == "connection_failed"
    assert document["output"] == "cannot connect"


@pytest.mark.parametrize(
    "change",
    [
        {"status": "ok"},
        {"time": "yesterday"},
        {"checks": {}},
        {"secret": 1},
        {"error": {"code": "connection_failed", "message": "no", "hint": None}},
        {"checks": {"a:b": [{"componentType": "datastore", "status": "pass"}]}},
        {"checks": {"a": document_of(EVERY)["checks"]["indexes:invalid"]}},
    ],
)
def test_the_schema_refuses_what_is_no_such_document(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validate(document_of(EVERY) | change)


# The text format: https://prometheus.io/docs/instrumenting/exposition_formats/
_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?P<labels>(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})?'
    r" (?P<value>NaN|[+-]Inf|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Parse the text format strictly: every line, each metric in one group after its TYPE."""
    assert text.endswith("\n")
    found, current, known = {}, "", set()
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# "):
            _, word, name, _ = line.split(" ", 3)
            if word == "HELP":
                assert name not in known
                known.add(name)
                current = name
            assert (word in {"HELP", "TYPE"}, name) == (True, current)
            continue
        match = _SAMPLE.fullmatch(line)
        assert match, line
        assert match["name"] == current
        labels = frozenset(
            (name, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value))
            for name, value in _LABEL.findall(match["labels"] or "")
        )
        key = (match["name"], labels)
        assert key not in found
        found[key] = float(match["value"])
    return found


BASE = {("database", "db.example.com:5432/app"), ("environment", "staging")}


def test_the_metrics_tell_the_status_the_values_and_the_thresholds() -> None:
    found = samples(exposition(EVERY))

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(BASE | set(labels.items()))]

    assert value("dbctl_health_status", status="fail") == 1
    assert value("dbctl_health_status", status="pass") == 0
    assert value("dbctl_health_timestamp_seconds") == EVERY.time.timestamp()
    assert value("dbctl_check_status", check="slots", status="unknown") == 1
    assert value("dbctl_check_value", check="connection", unit="ms") == 1.2
    assert value("dbctl_check_threshold", check="connection", unit="ms", level="fail") == 1000
    assert not [key for key in found if key[0] == "dbctl_check_value" and "slots" in str(key)]
    assert sum(one for key, one in found.items() if key[0] == "dbctl_check_status") == 4


@given(st.text(st.characters(exclude_categories=["Cs"])), st.floats())
def test_any_name_and_any_number_can_be_written_and_read_back(name: str, value: float) -> None:
    check = PASSED.model_copy(update={"observed_value": value})
    found = samples(exposition(report(check, database=name)))
    assert {dict(labels)["database"] for _, labels in found} == {name}
    (read,) = (one for key, one in found.items() if key[0] == "dbctl_check_value")
    assert read == value or (read != read and value != value)


def cases_of(found: HealthReport) -> dict[str, ElementTree.Element]:
    (suite,) = ElementTree.fromstring(junit(found)).findall("testsuite")  # noqa: S314 - our own
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    return {case.attrib["name"]: case for case in cases}


def test_a_check_is_a_case_and_what_fails_tells_why_and_what_to_do() -> None:
    cases = cases_of(EVERY)
    failure = cases["migrations"].find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "1 revision pending after r1", "type": "fail"}
    assert "remedy: dbctl migrate up" in (failure.text or "")
    skipped = cases["slots"].find("skipped")
    assert skipped is not None
    assert skipped.attrib == {"message": "permission denied"}
    assert cases["connection"].find("failure") is None
    told = cases["indexes"].findtext("system-out") or ""
    assert "index public.a · bytes 8192" in told
    assert "and 10 more" in told


def test_what_strict_makes_a_finding_is_a_failure() -> None:
    cases = cases_of(report(PASSED, WARNED, UNKNOWN, strict=True))
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    assert failed == {"indexes", "slots"}


@given(st.text())
def test_any_text_of_a_server_is_well_formed_xml(text: str) -> None:
    told = FAILED.model_copy(update={"summary": text, "evidence": ({"a": text},)})
    assert cases_of(report(told, database=text)).keys() == {"migrations"}
