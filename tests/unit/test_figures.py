"""Durations and moments as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from dbctl.figures import ago, duration, plural
from dbctl.inspect.database.views.figures import latest

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-0.1, "0 ms"),
        (0.25, "250 ms"),
        (1, "1.0 s"),
        (12.4, "12 s"),
        (59.7, "1m 00s"),
        (3599.9, "1h 00m"),
        (90061, "1d 01h"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (864000, "10 d ago")],
)
def test_moments_are_told_in_one_unit(seconds: float, expected: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == expected


def test_the_later_of_two_is_told_and_whether_it_came_by_itself() -> None:
    early, late = NOW - timedelta(hours=2), NOW - timedelta(minutes=2)
    assert latest(early, late, NOW).plain == "2 min ago auto"
    assert latest(late, early, NOW).plain == "2 min ago"
    assert latest(None, None, NOW).plain == "—"


def test_one_is_singular() -> None:
    assert [plural(n, "index", "indexes") for n in (1, 1000)] == ["1 index", "1,000 indexes"]
