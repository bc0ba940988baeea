"""How a command can end, and what is told then."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from dbctl import runtime
from dbctl.errors import ErrorCode, ExitCode, Interrupted, OperationFailed, UsageError


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("arguments", "json_wanted"),
    [
        (["health", "--json"], True),
        (["health", "--format", "json"], True),
        (["health", "--format=json"], True),
        (["health", "--format", "csv"], False),
        (["inspect", "rows", "--", "--json"], False),
    ],
)
def test_the_format_of_a_failure_is_that_of_the_command_line(
    arguments: list[str], json_wanted: bool
) -> None:
    assert runtime.wants_json(arguments) is json_wanted


def test_an_error_is_told_to_people_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    error = OperationFailed("it did not [red]work[/red] \x1b[2J", hint="Try again.")
    assert runtime.execute(raising(error), []) == ExitCode.FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: it did not [red]work[/red] \\x1b[2J\nhint: Try again.\n"


def test_an_error_is_one_json_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("no such table", hint="Look.", code=ErrorCode.NOT_FOUND)
    assert runtime.execute(raising(error), ["--json"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "error": {"code": "not_found", "message": "no such table", "hint": "Look."}
    }
    assert err == ""


def test_an_unforeseen_error_is_kept_in_a_file_without_the_password(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    error = ValueError("postgresql://me:s3cret@host/db is odd")
    assert runtime.execute(raising(error), []) == ExitCode.BUG
    err = capsys.readouterr().err
    assert "this is a bug in dbctl" in err
    (log,) = tmp_path.rglob("bug-*.log")
    assert str(log) in err
    details = log.read_text()
    assert "ValueError: postgresql://***@host/db is odd" in details
    assert "s3cret" not in details + err


def test_a_no_to_a_question_does_nothing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert runtime.execute(raising(typer.Abort()), []) == ExitCode.SIGINT
    assert "nothing was done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.SIGINT), (signal.SIGTERM, ExitCode.SIGTERM)],
)
def test_a_signal_cancels_the_operation_which_can_clean_up(
    number: signal.Signals, code: ExitCode
) -> None:
    cleaned: list[str] = []

    async def operation() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("yes")

    with pytest.raises(Interrupted) as raised:
        runtime.run(operation)
    assert (raised.value.exit_code, cleaned) == (code, ["yes"])


def test_a_signal_before_the_loop_ends_the_command_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    previous = signal.getsignal(signal.SIGTERM)
    try:
        code = runtime.execute(lambda: os.kill(os.getpid(), signal.SIGTERM), [])
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert code == ExitCode.SIGTERM
    assert "SIGTERM" in capsys.readouterr().err


def test_an_operation_returns_its_result() -> None:
    async def operation() -> int:
        return 7

    assert runtime.run(operation) == 7
