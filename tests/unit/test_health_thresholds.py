"""Thresholds: how they are written, where, and what is said of one that is wrong."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dbctl.errors import ConfigurationError, DbctlError, UsageError
from dbctl.health.check import Check
from dbctl.health.registry import CHECKS, select
from dbctl.health.results import Finding, Status
from dbctl.health.thresholds import Thresholds, configure


async def run(_connection: object, _context: object) -> Finding:
    return Finding(status=Status.PASS, summary="")


def listed(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("should be a list")  # noqa: TRY004 - what a parse raises
    return value


RUN: Callable[[Any, Any], Awaitable[Finding]] = run
MADE = [
    Check(
        name="connections",
        run=RUN,
        measurement="used",
        unit="percent",
        thresholds=Thresholds(80, 95),
    ),
    Check(name="blockers", run=RUN, measurement="wait", unit="s", thresholds=Thresholds(5, 60)),
    Check(
        name="slots",
        run=RUN,
        measurement="kept",
        unit="bytes",
        thresholds=Thresholds(2**30, 10 * 2**30),
    ),
    Check(
        name="connection",
        run=RUN,
        measurement="responseTime",
        unit="ms",
        thresholds=Thresholds(250, 1000),
    ),
    Check(name="extensions", run=RUN, measurement="missing", parse=listed),
    Check(name="indexes", run=RUN, measurement="invalid"),
]


@pytest.mark.parametrize(
    ("name", "written", "warn"),
    [
        ("connections", 70, 70.0),
        ("connections", "70", 70.0),
        ("connections", "70%", 70.0),
        ("connections", "off", None),
        ("blockers", "0.5", 0.5),
        ("blockers", "500ms", 0.5),
        ("blockers", "1 min", 60.0),
        ("connection", "1s", 1000.0),
        ("slots", "512MB", 2.0**29),
        ("slots", "512 MiB", 2.0**29),
    ],
)
def test_a_threshold_is_read_in_the_unit_of_its_check(
    name: str, written: object, warn: float | None
) -> None:
    held = configure(MADE, {name: {"warn": written}}, []).thresholds[name]
    assert held.warn == warn
    flagged = configure(MADE, {}, [f"{name}.warn={written}"]).thresholds[name]
    assert flagged == held


def test_a_flag_is_stronger_than_the_project_and_the_project_than_the_check() -> None:
    found = configure(
        MADE, {"connections": {"warn": 50, "fail": 60}}, ["connections.fail=70"]
    ).thresholds
    assert found["connections"] == Thresholds(50, 70)
    assert found["blockers"] == Thresholds(5, 60)


def test_what_a_check_reads_itself_is_handed_to_it() -> None:
    assert configure(MADE, {"extensions": ["pg_trgm"]}, []).configured == {
        "extensions": ["pg_trgm"]
    }


@pytest.mark.parametrize(
    ("table", "flags", "error", "said"),
    [
        ({"conections": {"warn": 1}}, [], ConfigurationError, "no check 'conections'"),
        ({"connections": {"wran": 1}}, [], ConfigurationError, "no setting wran"),
        ({"connections": 80}, [], ConfigurationError, "no setting 80"),
        ({"connections": {"warn": "5min"}}, [], ConfigurationError, "'5min' is no threshold"),
        ({"connections": {"warn": True}}, [], ConfigurationError, "True is no threshold"),
        ({"connections": {"warn": 99}}, [], ConfigurationError, "fail from 95 percent on"),
        ({"extensions": "pg_trgm"}, [], ConfigurationError, "should be a list"),
        ({"indexes": {"warn": 1}}, [], ConfigurationError, "no setting warn"),
        ({}, ["blokers.warn=1"], UsageError, "no check 'blokers'"),
        ({}, ["blockers=1"], UsageError, "names no level"),
        ({}, ["blockers.wran=1"], UsageError, "there is no 'wran'"),
        ({}, ["blockers.warn"], UsageError, "'' is no threshold"),
        ({}, ["blockers.warn=٣"], UsageError, "is no threshold"),
        ({}, ["blockers.warn=-1"], UsageError, "'-1' is no threshold"),
        ({}, ["blockers.warn=nan"], UsageError, "'nan' is no threshold"),
        ({}, [f"blockers.warn={'9' * 400}"], UsageError, "too large"),
        ({}, ["indexes.warn=1"], UsageError, "there is no 'warn'"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_to_do(
    table: dict[str, object], flags: list[str], error: type[DbctlError], said: str
) -> None:
    with pytest.raises(error) as told:
        configure(MADE, table, flags)
    assert said in told.value.message
    assert told.value.hint


@pytest.mark.parametrize(
    ("value", "status"), [(79.9, Status.PASS), (80, Status.WARN), (95, Status.FAIL)]
)
def test_a_value_is_judged_from_the_threshold_on(value: float, status: Status) -> None:
    assert Thresholds(80, 95).judge(value) is status


def test_what_is_off_never_warns() -> None:
    assert Thresholds().judge(float("inf")) is Status.PASS


def names(**chosen: list[str]) -> list[str]:
    return [check.name for check in select(**chosen)]


def test_checks_are_chosen_by_name_and_keep_their_order() -> None:
    default = [check.name for check in CHECKS if check.default]
    assert names() == default
    assert "drift" not in default
    assert names(only=["migrations,connection"]) == ["connection", "migrations"]
    assert names(only=["pool", " connection "]) == ["connection", "pool"]
    assert names(only=["connection"], also=["drift"]) == ["connection", "drift"]
    assert names(skip=["pool,clock"]) == [n for n in default if n not in {"pool", "clock"}]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"only": ["migration"]}, "--only: there is no check 'migration'"),
        ({"skip": ["pools"]}, "--skip: there is no check 'pools'"),
        ({"only": ["pool"], "skip": ["pool"]}, "no check is left"),
        ({"only": [","]}, "no check is named"),
    ],
)
def test_a_name_that_is_none_is_told(chosen: dict[str, list[str]], said: str) -> None:
    with pytest.raises(UsageError) as told:
        select(**chosen)
    assert said in told.value.message
    assert told.value.hint
