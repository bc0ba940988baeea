"""How `dbctl health` judges its checks together, and how it lays them out at every width."""

import io
from contextlib import redirect_stdout

import pytest

from dbctl.errors import ErrorCode, ExitCode
from dbctl.health import views
from dbctl.health.results import CheckResult, HealthReport, Status, overall
from dbctl.rendering import console
from dbctl.results import ErrorBody
from dbctl.settings import Environment

PASS, WARN, FAIL, UNKNOWN = Status.PASS, Status.WARN, Status.FAIL, Status.UNKNOWN


def check(
    status: Status, summary: str = "as it should be", *, name: str = "pool", remedy: str = ""
) -> CheckResult:
    return CheckResult(name=name, status=status, summary=summary, remedy=remedy or None)


def report(
    *checks: CheckResult, error: ErrorBody | None = None, database: str = "db.example.com:5432/app"
) -> HealthReport:
    return HealthReport(
        status=overall(checks),
        database=database,
        environment=Environment.TEST,
        checks=checks,
        error=error,
    )


def drawn(result: HealthReport, width: int = 80) -> list[str]:
    with redirect_stdout(io.StringIO()) as out:
        screen = console()
        screen.width = width
        screen.print(views.health(result))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("found", "status", "code"),
    [
        ([PASS, PASS], PASS, ExitCode.OK),
        ([PASS, WARN], WARN, ExitCode.OK),
        ([PASS, UNKNOWN], UNKNOWN, ExitCode.OK),
        ([WARN, UNKNOWN], WARN, ExitCode.OK),
        ([WARN, FAIL, PASS], FAIL, ExitCode.FINDING),
        ([UNKNOWN, FAIL], FAIL, ExitCode.FINDING),
    ],
)
def test_the_worst_check_decides(found: list[Status], status: Status, code: ExitCode) -> None:
    result = report(*map(check, found))
    assert (result.status, result.exit_code) == (status, code)


def test_a_report_without_a_connection_is_exit_3() -> None:
    assert unreachable().exit_code is ExitCode.UNREACHABLE


def test_what_only_dbctl_needs_to_know_is_not_in_the_json() -> None:
    failed = CheckResult(name="pool", status=FAIL, summary="no", permanent=True)
    assert "permanent" not in failed.model_dump(mode="json")


def test_a_line_per_check_and_below_it_what_to_do() -> None:
    result = report(
        check(PASS, name="connection"),
        check(FAIL, "2 revisions pending", name="migrations", remedy="dbctl migrate up"),
        check(WARN, "85 % used", name="pool", remedy="close what is idle"),
        check(UNKNOWN, "permission denied", name="locks"),
    )
    assert drawn(result) == [
        "✗ db.example.com:5432/app is not healthy",
        "  ✓  connection  as it should be",
        "  ✗  migrations  2 revisions pending",
        "                 → dbctl migrate up",
        "  !  pool        85 % used",
        "                 → close what is idle",
        "  ?  locks       permission denied",
    ]


def test_the_evidence_of_what_is_wrong_is_told_and_of_the_rest_not() -> None:
    pieces = tuple(
        {"pid": pid, "seconds": 1234.5678, "idle": True, "hidden": None, "remedy": "SELECT 1"}
        for pid in (1, 2, 3, 4)
    )
    told = {"evidence": pieces, "evidence_total": 7}
    result = report(
        check(PASS, name="slots").model_copy(update=told),
        check(WARN, name="blockers", remedy="SELECT 2").model_copy(update=told),
    )
    assert drawn(result)[1:] == [
        "  ✓  slots     as it should be",
        "  !  blockers  as it should be",
        "               • pid 1 · seconds 1234.57 · idle",
        "               • pid 2 · seconds 1234.57 · idle",
        "               • pid 3 · seconds 1234.57 · idle",
        "               • … and 4 more",
        "               → SELECT 2",
    ]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (PASS, "✓ app is healthy"),
        (WARN, "! app is healthy, with warnings"),
        (UNKNOWN, "? app is healthy, as far as could be seen"),
        (FAIL, "✗ app is not healthy"),
    ],
)
def test_the_verdict_comes_first(status: Status, verdict: str) -> None:
    assert drawn(report(check(status), database="app"))[0] == verdict


def unreachable() -> HealthReport:
    error = ErrorBody(
        code=ErrorCode.CONNECTION_FAILED,
        message="cannot connect to db.example.com:5432/app: no answer in time",
        hint="Check the firewall.",
        exit_code=ExitCode.UNREACHABLE,
    )
    return report(
        check(FAIL, "no answer in time", name="connection", remedy="Check the firewall."),
        check(UNKNOWN, "not checked: no connection", name="migrations"),
        error=error,
    )


def test_the_hint_that_stderr_tells_is_not_told_twice() -> None:
    assert drawn(unreachable()) == [
        "✗ db.example.com:5432/app cannot be reached",
        "  ✗  connection  no answer in time",
        "  ?  migrations  not checked: no connection",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_long_summary_is_wrapped_within_its_column_and_never_cut(width: int) -> None:
    words = " ".join(f"word{number}" for number in range(30))
    lines = drawn(report(check(FAIL, words, remedy=words)), width)
    assert max(map(len, lines)) <= width
    assert all(line.startswith(" " * 11) for line in lines[2:])
    said = " ".join(" ".join(lines[1:]).split())
    assert said == f"✗ pool {words} → {words}"


def test_what_a_server_says_is_neither_markup_nor_an_order_to_the_terminal() -> None:
    evil = "[red]\x1b[2J\u202eno\nlines"
    lines = drawn(report(check(FAIL, evil, name=evil, remedy=evil), database=evil), 200)
    shown = r"[red]\x1b[2J\u202eno\nlines"
    assert [line.count(shown) for line in lines] == [1, 2, 1]
