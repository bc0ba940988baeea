"""What `health --watch` shows of a tick, on windows of every width."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.console import ConsoleDimensions

from dbctl.health.results import CheckResult, HealthReport, Status, Value, overall
from dbctl.health.watch import views
from dbctl.health.watch.results import Tick, Vitals
from dbctl.health.watch.vitals import Rates
from dbctl.rendering import console
from dbctl.settings import Environment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WIDTHS = (60, 80, 120, 200)
# A window of 24 lines has two for the headline and what is wrong meanwhile.
ROOM = 22
RATES = Rates(
    seconds=2.0,
    commits_per_second=1234.5,
    rollbacks_per_second=0.25,
    rows_read_per_second=9876543.0,
    rows_written_per_second=320.0,
    cache_hit_percent=99.25,
)
TERMINATE = "SELECT pg_terminate_backend(4711);"
GRANT = "GRANT pg_read_all_stats TO dashboard_reader;"


def check(
    name: str,
    status: Status = Status.PASS,
    summary: str = "as it should be",
    *,
    value: Value = None,
    remedy: str | None = None,
    **observed: Value,
) -> CheckResult:
    return CheckResult(
        name=name,
        status=status,
        summary=summary,
        observed_value=value,
        observed=observed,
        remedy=remedy,
        evidence=({"pid": 4711, "application": "billing" * 20},) if remedy == TERMINATE else (),
        evidence_total=1 if remedy == TERMINATE else 0,
    )


PASSING = tuple(
    check(name)
    for name in ("pool", "indexes", "sequences", "wraparound", "vacuum", "slots", "disk", "clock")
)
CONNECTION = check("connection", value=0.31)
CONNECTIONS = check("connections", used=42, usable=97, idle_in_transaction=3)
BLOCKED = check(
    "blockers",
    Status.FAIL,
    "3 sessions waiting for a lock, for up to 2m 05s; pid 4711 is at the head of it",
    remedy=TERMINATE,
)
HIDDEN = check("transactions", Status.UNKNOWN, "hidden from this role", remedy=GRANT)


def tick(
    *checks: CheckResult,
    vitals: Vitals | None = None,
    latencies: tuple[float | None, ...] = tuple(range(60)),
) -> Tick:
    report = HealthReport(
        status=overall(checks),
        database="db.example.com:5432/app",
        environment=Environment.TEST,
        time=NOW,
        checks=checks,
    )
    return Tick(
        report=report, vitals=vitals or Vitals(recent=RATES, whole=RATES), latencies=latencies
    )


def drawn(seen: Tick, width: int, *, height: int = 24) -> list[str]:
    out = io.StringIO()
    screen = console(out)
    screen.size = ConsoleDimensions(width, height)
    screen.print(views.tick(seen))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_tick_fits_the_window_with_all_that_has_to_be_done(width: int) -> None:
    lines = drawn(tick(CONNECTION, CONNECTIONS, BLOCKED, HIDDEN, *PASSING), width)
    assert max(map(cell_len, lines)) <= width
    assert len(lines) <= ROOM
    shown = "\n".join(lines)
    for piece in (TERMINATE, "42 of 97", "1,234/s", "320/s written", "99.2 %", "pid 4711"):
        assert piece in shown
    assert shown.index("blockers") < shown.index("transactions  hidden")
    assert GRANT in " ".join(shown.split())


def test_a_wide_window_tells_of_every_check_and_a_narrow_one_counts_them() -> None:
    seen = tick(CONNECTION, CONNECTIONS, *PASSING)
    assert all(f"✓  {one.name}" in "\n".join(drawn(seen, 200)) for one in PASSING)
    assert "✓  10 other checks pass" in "\n".join(drawn(seen, 80))
    assert len(drawn(seen, 200)) <= ROOM


def test_a_low_window_tells_what_to_do_before_what_is_right_or_unknown() -> None:
    hidden = [check(f"hidden{n}", Status.UNKNOWN, "hidden", remedy=GRANT) for n in range(5)]
    seen = tick(CONNECTION, CONNECTIONS, BLOCKED, *hidden, check("migrations"), *PASSING)
    low = drawn(seen, 80)
    assert len(low) <= ROOM
    assert any(TERMINATE in line for line in low)
    assert not any("GRANT" in line or "migrations" in line for line in low)
    high = "\n".join(drawn(seen, 80, height=50))
    assert high.count("GRANT") == len(hidden)
    assert "migrations" in high


@pytest.mark.parametrize(("width", "blocks"), [(80, 32), (200, 36), (60, 12)])
def test_the_latencies_are_the_last_ones_that_have_room(width: int, blocks: int) -> None:
    (line,) = (line for line in drawn(tick(CONNECTION), width) if "latency" in line)
    found = [character for character in line if character in "▁▂▃▄▅▆▇█"]
    assert len(found) == blocks
    assert found[-1] == "█"
    assert "up to 59.0 ms" in line


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_not_known_is_a_dash(width: int) -> None:
    lines = drawn(tick(check("migrations"), vitals=Vitals(), latencies=()), width)
    for name in ("latency", "connections", "transactions", "rows", "cache hits"):
        (line,) = (line for line in lines if line.startswith(f"  {name}"))
        assert line.removeprefix(f"  {name}").split()[0] == "—"


def test_a_server_that_is_away_is_told_since_when() -> None:
    since = NOW - timedelta(seconds=42)
    gone = check("connection", Status.FAIL, "nothing is listening there", remedy="Start it.")
    unknown = check("pool", Status.UNKNOWN, "not checked: no connection")
    lines = drawn(
        tick(gone, unknown, vitals=Vitals(unreachable_since=since), latencies=(0.3, None)), 80
    )
    assert f"since {since.astimezone():%H:%M:%S} (42 s)" in lines[0]
    assert "▁x" in "\n".join(lines).replace("█", "▁")
    assert any("→ Start it." in line for line in lines)


def test_what_the_database_says_cannot_obey_the_terminal() -> None:
    evil = check("blockers", Status.FAIL, "by \x1b[2J[bold]x\u202e", remedy="SELECT '\x1b[2J';")
    shown = "\n".join(drawn(tick(evil), 80))
    assert "\x1b" not in shown
    assert "\\x1b[2J[bold]x\\u202e" in shown
