"""How `dbctl health` tells how long a server's version is supported."""

from datetime import date

import pytest

from dbctl.health.checks.connection import END_OF_LIFE, end_of_life, supported_until


@pytest.mark.parametrize(
    ("version", "until"),
    [
        ("18.6", date(2030, 11, 14)),
        ("14.0", date(2026, 11, 12)),
        ("17beta1", date(2029, 11, 8)),
        ("99.1", None),
        ("9.6.24", date(2021, 11, 11)),
        ("unknown", None),
    ],
)
def test_a_version_is_supported_until_its_last_release(version: str, until: date | None) -> None:
    assert supported_until(version) == until


@pytest.mark.parametrize(
    ("today", "said"),
    [
        (date(2026, 5, 15), None),
        (date(2026, 5, 16), "supported until 2026-11-12 only"),
        (date(2026, 11, 12), "supported until 2026-11-12 only"),
        (date(2026, 11, 13), "out of support since 2026-11-12"),
    ],
)
def test_the_end_is_told_half_a_year_before(today: date, said: str | None) -> None:
    assert end_of_life(END_OF_LIFE[14], today) == said
