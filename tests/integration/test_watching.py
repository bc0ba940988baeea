"""`--watch`: a live display on a terminal, lines of JSON elsewhere, whatever the server does."""

import json
import signal
import sys
from pathlib import Path

import pytest

from dbctl.db.embedded import EmbeddedServer
from tests.support.cli import ROOT, invoke
from tests.support.databases import execute
from tests.support.lines import lines_of, next_line
from tests.support.terminal import Terminal


def test_a_terminal_shows_what_changes_until_q_and_gets_its_screen_back(empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    arguments = ("inspect", "tables", "--watch", "0.2")
    with Terminal(*arguments, env=env, cwd=ROOT) as terminal:
        terminal.wait_for("no tables in")
        assert "dbctl inspect tables" in terminal.screen
        assert "every 0.2 s, q ends it" in terminal.screen
        execute(empty_url, "CREATE TABLE appeared ()")
        terminal.wait_for("appeared")
        terminal.type("xq")
        assert terminal.finish() == 0
        assert terminal.printed.index(b"\x1b[?1049h") < terminal.printed.index(b"\x1b[?1049l")
        assert b"error" not in terminal.printed


def test_a_key_ends_it_after_a_shell_stopped_it_and_let_it_go_on(empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    arguments = ("inspect", "locks", "--watch", "0.2")
    with Terminal(*arguments, env=env, cwd=ROOT, timeout=20) as terminal:
        terminal.wait_for("no locks in")
        terminal.send_signal(signal.SIGSTOP)
        terminal.read_by_line()
        terminal.send_signal(signal.SIGCONT)
        terminal.type("q")
        assert terminal.finish() == 0


def test_what_does_not_fit_the_window_is_cut_and_told(empty_url: str) -> None:
    execute(empty_url, *(f"CREATE TABLE t_{number:02} ()" for number in range(60)))
    env = {"DATABASE_URL": empty_url}
    with Terminal("inspect", "tables", "--watch", "30", env=env, cwd=ROOT) as terminal:
        terminal.wait_for("… more below; a higher window shows it")
        assert "t_00" in terminal.screen
        assert "t_59" not in terminal.screen
        terminal.type("q")
        assert terminal.finish() == 0


def test_where_there_is_no_keyboard_it_is_not_told_that_a_key_ends_it(empty_url: str) -> None:
    arguments = ("-c", 'exec "$@" < /dev/null', "-", sys.executable, "-m", "dbctl")
    look = ("inspect", "locks", "--watch", "0.2")
    env = {"DATABASE_URL": empty_url}
    with Terminal(*arguments, *look, env=env, cwd=ROOT, program=["sh"]) as terminal:
        terminal.wait_for("every 0.2 s, Ctrl-C ends it")


def test_ctrl_c_ends_it_without_a_word(empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    with Terminal("inspect", "locks", "--watch", "30", env=env, cwd=ROOT) as terminal:
        terminal.wait_for("no locks in")
        terminal.send_signal(signal.SIGINT)
        assert terminal.finish() == 130
        assert b"error" not in terminal.printed
        assert terminal.printed.rstrip().endswith(b"\x1b[?25h\x1b[?1049l")


def test_it_outlives_the_server_and_tells_so(state_dir: Path, tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path, state_dir=state_dir)
    url = embedded.ensure_running()
    try:
        execute(url, "CREATE TABLE before ()")
        arguments = ("inspect", "tables", "--watch", "0.2")
        env = {"DATABASE_URL": url}
        with (
            Terminal(*arguments, env=env, cwd=ROOT) as terminal,
            lines_of(*arguments, env=env) as piped,
        ):
            terminal.wait_for("before")
            assert [table["name"] for table in next_line(piped)["tables"]] == ["before"]
            embedded.stop()
            terminal.wait_for("trying again")
            embedded.ensure_running()
            execute(url, "CREATE TABLE afterwards ()")
            terminal.wait_for("afterwards")
            while len(next_line(piped)["tables"]) < 2:
                pass
            terminal.type("q")
            assert terminal.finish() == 0
            piped.send_signal(signal.SIGTERM)
            _, err = piped.communicate()
            assert piped.returncode == 143
            assert "trying again" in err
    finally:
        embedded.destroy()


@pytest.mark.parametrize("name", ["tables", "indexes", "activity", "locks", "size", "pool"])
def test_a_pipe_gets_a_line_of_json_each_time(database_url: str, name: str) -> None:
    with lines_of("inspect", name, "--watch", "0.2", env={"DATABASE_URL": database_url}) as process:
        first, second = next_line(process), next_line(process)
        assert first.keys() == second.keys()
        assert str(first["read_at"]) < str(second["read_at"])
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
    assert all(json.loads(line) for line in out.splitlines())
    assert (process.returncode, err) == (143, "")


def test_it_ends_when_nobody_reads_any_more(empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    with lines_of("inspect", "locks", "--json", "--watch", "0.2", env=env) as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_what_it_cannot_watch_is_told_on_a_line(empty_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": empty_url}
    done = invoke("inspect", "table", "nope", "--json", "--watch", "1", env=env)
    assert done.exit_code == 2
    assert [json.loads(line)["error"]["code"] for line in done.stdout.splitlines()] == ["not_found"]
    csv = invoke("inspect", "tables", "--watch", "1", "--format", "csv", env=env)
    assert (csv.exit_code, csv.stdout) == (2, "")
    assert "not csv" in csv.stderr
    file = tmp_path / "out.json"
    kept = invoke("inspect", "tables", "--watch", "1", "--output", str(file), env=env)
    assert (kept.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert invoke("inspect", "tables", "--watch", "0.1", env=env).exit_code == 2
