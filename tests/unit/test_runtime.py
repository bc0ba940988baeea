"""How a command can end, and what is told then."""

import asyncio
import contextvars
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from dbctl import redaction, runtime
from dbctl.errors import (
    ConnectionFailed,
    ErrorCode,
    ExitCode,
    Interrupted,
    OperationFailed,
    UsageError,
)
from dbctl.options import command
from dbctl.output import Output
from dbctl.settings import load_settings


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["health", "--json"], Output.JSON),
        (["health", "--format", "json"], Output.JSON),
        (["health", "--format=json"], Output.JSON),
        (["health", "--format", "ndjson"], Output.NDJSON),
        (["health", "--format", "csv"], Output.TABLE),
        (["inspect", "rows", "--", "--json"], Output.TABLE),
    ],
)
def test_the_format_of_a_failure_is_that_of_the_command_line(
    arguments: list[str], output: Output
) -> None:
    assert runtime.format_of_failure(arguments) is output


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
    assert runtime.execute(raising(typer.Abort()), ["--json"]) == ExitCode.REFUSED
    assert json.loads(capsys.readouterr().out)["error"] == {
        "code": "confirmation_required",
        "message": "not confirmed; nothing was done",
        "hint": None,
    }


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


@pytest.mark.parametrize("fails", [False, True])
def test_execute_signals_after_an_interrupted_run_leave_its_outcome(
    capsys: pytest.CaptureFixture[str], fails: bool
) -> None:
    async def operation() -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "r1 was rolled back"
        raise AssertionError

    def command() -> int:
        outcome = runtime.run(operation)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        if fails:
            raise OperationFailed(outcome)
        print(outcome)  # noqa: T201
        return 143

    previous = signal.getsignal(signal.SIGTERM)
    assert runtime.execute(command, []) == (ExitCode.FAILED if fails else 143)
    said = capsys.readouterr()
    assert "r1 was rolled back" in (said.err if fails else said.out)
    assert "interrupted" not in said.err + said.out
    assert signal.getsignal(signal.SIGTERM) == previous


def test_run_connection_cut_off_after_a_signal_raises_interrupted() -> None:
    async def operation() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionFailed("the connection was lost", hint="Look at the state.")

    with pytest.raises(Interrupted) as raised:
        runtime.run(operation)
    assert raised.value.exit_code == ExitCode.SIGTERM
    assert raised.value.message == "interrupted by SIGTERM; the connection was lost"
    assert raised.value.hint == "Look at the state."


def test_an_operation_returns_its_result() -> None:
    async def operation() -> int:
        return 7

    assert runtime.run(operation) == 7


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("postgresql://u:pa'ss@h/d", "postgresql://***@h/d"),
        ("postgresql://u:pa ss@h/d", "postgresql://***@h/d"),
        ("postgresql+asyncpg://u:pa/ss@h/d", "postgresql+asyncpg://***@h/d"),
        ("postgresql://h/d?password=hunter2&a=b", "postgresql://h/d?password=***&a=b"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("PGPASSWORD='hun ter2' psql", "PGPASSWORD=*** psql"),
        ("{'password': 'hun\\'ter', 'a': 1}", "{'password': ***, 'a': 1}"),
        ("https://me:x@host/y@z", "https://***@host/y@z"),
        ("http://host/y@z", "http://host/y@z"),
        ("a password is wanted", "a password is wanted"),
    ],
)
def test_what_has_the_form_of_a_secret_is_scrubbed(text: str, scrubbed: str) -> None:
    assert redaction.scrub(text) == scrubbed


def test_the_passwords_of_the_settings_are_scrubbed_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:h%40rd2guess@h/db")
    monkeypatch.setenv("PGPASSWORD", "sesame")
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://postgres:postgres@h/db\n")

    def learn() -> str:
        load_settings({"database_url_unpooled": "postgresql://h/d?password=direct"}, start=tmp_path)
        return redaction.scrub("h%40rd2guess h@rd2guess sesame sesames direct postgres")

    assert contextvars.copy_context().run(learn) == "*** *** *** sesames *** postgres"


@pytest.mark.parametrize(
    ("url", "environ", "text", "scrubbed"),
    [
        ("postgresql://app:app@h/d", {}, 'role "app" of app', 'role "app" of app'),
        ("postgresql://a%70p:app@h/d", {}, 'role "app"', 'role "app"'),
        ("postgresql://me:shop@h/shop", {}, "database shop", "database shop"),
        ("postgresql://me:dbhost@dbhost:5432/d", {}, "at dbhost", "at dbhost"),
        ("postgresql://me:x@h/d", {}, "column x of x", "column x of x"),
        ("postgresql://me:password@h/d", {}, "passwords expired", "passwords expired"),
        ("postgresql://me:postgres@h/d", {}, "postgresql on postgres", "postgresql on ***"),
        ("postgresql://me:s3cret99@h/d", {}, "has_s3cret99_in", "has_***_in"),
        ("postgresql://me:x@h/d", {}, "postgresql://me:x@h/d", "postgresql://***@h/d"),
        (None, {"PGUSER": "app", "PGPASSWORD": "app"}, "role app", "role app"),
        (None, {"PGUSER": "app", "PGPASSWORD": "hunter2"}, "app hunter2", "app ***"),
    ],
)
def test_scrub_password_that_is_a_name_or_a_letter_keeps_other_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str | None,
    environ: dict[str, str],
    text: str,
    scrubbed: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def learn() -> str:
        load_settings({"database_url": url}, start=tmp_path)
        return redaction.scrub(text)

    assert contextvars.Context().run(learn) == scrubbed


def test_code_of_the_project_can_neither_print_a_result_nor_end_the_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer(add_completion=False)

    @command(app)
    def careless(_settings: object) -> ExitCode:
        print("loading")  # noqa: T201
        sys.exit(3)

    arguments = ["--json"]
    code = runtime.execute(lambda: app(arguments, standalone_mode=False), arguments)
    out, err = capsys.readouterr()
    assert (code, err) == (ExitCode.FAILED, "loading\n")
    error = json.loads(out)["error"]
    assert error["code"] == "operation_failed"
    assert error["message"] == "the project's code called sys.exit(3)"


def test_a_second_signal_only_tells_what_is_awaited() -> None:
    program = """if True:
        import asyncio, sys
        from dbctl.errors import Interrupted
        from dbctl.interruption import awaiting
        from dbctl.runtime import run

        async def thorough():
            print("ready", flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                with awaiting("the plates to be washed"):
                    print("washing", flush=True)
                    await asyncio.to_thread(sys.stdin.readline)

        try:
            run(thorough)
        except Interrupted as error:
            sys.exit(error.exit_code)
    """
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "washing\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "still waiting for the plates to be washed\n"
        process.stdin.write("done\n")
        process.stdin.close()
        assert process.wait(timeout=10) == ExitCode.SIGINT


def test_a_second_signal_reaches_code_that_blocks_the_loop() -> None:
    program = """if True:
        import sys, time
        from dbctl.errors import Interrupted
        from dbctl.runtime import run

        async def deaf():
            print("ready", flush=True)
            while True:
                time.sleep(1)

        try:
            run(deaf)
        except Interrupted as error:
            print(error, flush=True)
            sys.exit(error.exit_code)
    """
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)  # more than what the loop is given to hear it
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline().startswith("interrupted by SIGTERM")
        assert process.wait(timeout=10) == ExitCode.SIGTERM
