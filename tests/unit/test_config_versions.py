"""The versions that `config --check` takes for tested."""

import tomllib

import pytest

from dbctl.config.check.results import Problem, Subject, Verdict
from dbctl.config.check.versions import TESTED, of_library, server_check
from tests.support.cli import ROOT


def test_lowest_versions_are_those_of_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = dict(each.split(">=") for each in project["dependencies"] if ">=" in each)
    lowest = {name.partition("[")[0]: version for name, version in required.items()}
    assert {name: lowest[name] for name in TESTED} == {
        name: low for name, (low, _) in TESTED.items()
    }


@pytest.mark.parametrize(
    ("found", "verdict", "code"),
    [
        (None, Verdict.OBSTACLE, Problem.LIBRARY_MISSING),
        ("2.0.40", Verdict.OBSTACLE, Problem.LIBRARY_TOO_OLD),
        ("2.2.0b1", Verdict.WARNING, Problem.LIBRARY_UNTESTED),
    ],
)
def test_of_library_outside_the_tested_range_names_what_is_wrong(
    found: str | None, verdict: Verdict, code: Problem
) -> None:
    checked = of_library(Subject.LIBRARIES, "sqlalchemy", found, "2.0.41", "2.1")
    assert checked is not None
    assert (checked.verdict, checked.code) == (verdict, code)
    assert "sqlalchemy" in checked.message


@pytest.mark.parametrize("found", ["2.0.41", "2.1.99", "2.1.0rc2"])
def test_of_library_inside_the_tested_range_is_nothing(found: str) -> None:
    assert of_library(Subject.LIBRARIES, "sqlalchemy", found, "2.0.41", "2.1") is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (130_022, Problem.SERVER_TOO_OLD),
        (140_000, None),
        (180_006, None),
        (190_000, Problem.SERVER_UNTESTED),
    ],
)
def test_server_check_goes_by_the_major_version(number: int, code: Problem | None) -> None:
    checked = server_check(number, "PostgreSQL")
    assert (checked.code if checked else None) == code
