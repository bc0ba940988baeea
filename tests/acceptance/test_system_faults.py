"""What the operating system refuses is an error in words, never a bug, and nothing is left over."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dbctl.draft import scratch_folder
from dbctl.errors import OperationFailed
from tests.support.cli import ROOT, environment, run_dbctl
from tests.support.databases import execute
from tests.support.project import Project

TEXT = "Näme 名前 🎉"


def in_folder(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of sh in `folder`, in which `dbctl` is this one."""
    dbctl = f"{sys.executable} -m dbctl"
    return subprocess.run(
        ["sh", "-c", line.replace("dbctl", dbctl)],
        env=environment(PYTHONPATH=str(ROOT), **variables),
        cwd=folder,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    ["inspect tables", "inspect tables --output a.csv", "migrate status"],
)
def test_working_folder_that_is_gone_exits_2(
    tmp_path: Path, empty_url: str, arguments: str
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    done = in_folder(f"rmdir ../gone; dbctl {arguments}", folder, DATABASE_URL=empty_url)
    assert done.returncode == 2, done
    assert done.stderr.startswith(b"error: ")
    assert b"hint: " in done.stderr


@pytest.mark.parametrize(
    ("module", "number"),
    [
        ("typer", signal.SIGINT),
        ("dbctl.runtime", signal.SIGTERM),
        ("dbctl.settings", signal.SIGINT),
        ("asyncpg", signal.SIGTERM),
        ("rich.console", signal.SIGINT),
    ],
)
def test_interrupt_while_modules_are_imported_is_one_message(
    tmp_path: Path, empty_url: str, module: str, number: signal.Signals
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            sys.meta_path.remove(self)\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Interrupting())\n"
    )
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    env = {"DATABASE_URL": empty_url, "PYTHONPATH": path}
    done = run_dbctl("inspect", "tables", env=env, stdin="")
    assert done.exit_code == 128 + number, done
    assert re.fullmatch(rf"error: interrupted by {number.name}[^\n]*\n", done.stderr), done
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["50%", "a%40b", "%(here)s"])
def test_percent_sign_in_the_path_of_the_project_works(
    tmp_path: Path, empty_url: str, name: str
) -> None:
    project = Project.create(tmp_path / name, empty_url, "create table made (id int)")
    for arguments in (("up",), ("status",), ("history",), ("new", "x"), ("down", "base", "--yes")):
        done = project.run("migrate", *arguments)
        assert done.exit_code == 0, (arguments, done)


@pytest.mark.parametrize(
    ("arguments", "output", "encoding"),
    [
        (("inspect", "rows", "t"), "csv", "latin-1"),
        (("inspect", "rows", "t"), "markdown", "ascii"),
        (("inspect", "tables"), "csv", "ascii"),
        (("inspect", "tables"), "markdown", "latin-1"),
        (("inspect", "tables"), "vertical", "latin-1"),
    ],
)
def test_values_on_a_stdout_in_another_encoding_are_utf8(
    empty_url: str, tmp_path: Path, arguments: tuple[str, ...], output: str, encoding: str
) -> None:
    execute(empty_url, f'CREATE TABLE t ("{TEXT}" text)', f"INSERT INTO t VALUES ('{TEXT}')")
    execute(empty_url, f"COMMENT ON TABLE t IS '{TEXT}'", f'CREATE TABLE "{TEXT}" ()')
    line = f"dbctl {' '.join(arguments)} --format {output} | cat"
    done = in_folder(line, tmp_path, DATABASE_URL=empty_url, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done
    assert TEXT in done.stdout.decode()


def test_sql_on_a_stdout_in_another_encoding_is_utf8(empty_url: str, tmp_path: Path) -> None:
    execute(empty_url, f'CREATE TABLE t ("{TEXT}" text)')
    env = {"DATABASE_URL": empty_url, "PYTHONIOENCODING": "latin-1"}
    for line in ("dbctl inspect table t --ddl", "dbctl inspect diagram"):
        done = in_folder(f"{line} | cat", tmp_path, **env)
        assert TEXT in done.stdout.decode()


def test_stderr_that_cannot_be_written_fails_nothing(empty_url: str, tmp_path: Path) -> None:
    line = "dbctl inspect query 'select 1 as a' --format csv 2>/dev/full"
    done = in_folder(line, tmp_path, DATABASE_URL=empty_url)
    assert done.returncode == 0, done
    assert list(csv.reader(io.StringIO(done.stdout.decode()))) == [["a"], ["1"]]


@pytest.mark.parametrize(
    "arguments",
    [
        "inspect query 'select 1' --format csv",
        "inspect query 'select 1' --format parquet",
        "inspect tables",
    ],
)
def test_result_on_a_closed_stdout_exits_4(empty_url: str, tmp_path: Path, arguments: str) -> None:
    done = in_folder(f"dbctl {arguments} >&-", tmp_path, DATABASE_URL=empty_url)
    assert done.returncode == 4, done
    assert b"cannot write to stdout: Bad file descriptor" in done.stderr


def test_temporary_folder_that_cannot_be_made_is_one_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    with pytest.raises(OperationFailed, match="temporary folder"), scratch_folder():
        pass


def test_temporary_folder_of_a_killed_run_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    killed = os.fork()
    if killed == 0:
        with scratch_folder() as folder:
            (folder / "a.sql").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(killed, 0)
    assert len(list(tmp_path.iterdir())) == 1
    with scratch_folder() as first, scratch_folder() as second:
        assert set(tmp_path.iterdir()) == {first, second}
    assert list(tmp_path.iterdir()) == []
