"""What a freshly cloned project, or a server, must not be able to do by its text alone."""

from pathlib import Path

import pytest

from tests.support.cli import invoke, run_dbctl
from tests.support.databases import execute

COMMANDS = [
    ("server", "status"),
    ("server", "start"),
    ("config",),
    ("inspect", "tables"),
    ("health",),
    ("seed", "generate", "t=1"),
]


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A folder of programs that leave a file behind when they are run."""
    folder = tmp_path / "clone" / "bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb", "pg_ctl"):
        program = folder / name
        program.write_text(
            f'#!/bin/sh\ntouch {tmp_path}/was-run\necho "postgres (PostgreSQL) 17.0"\n'
        )
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("file", [".env", "pyproject.toml"])
def test_programs_that_a_file_of_the_project_names_are_not_run(
    tmp_path: Path, planted: Path, file: str, arguments: tuple[str, ...]
) -> None:
    project = planted.parent
    (project / "pyproject.toml").touch()
    text = {
        ".env": f"DB_PG_BINDIR={planted}\n",
        "pyproject.toml": f"[tool.dbctl]\npg-bindir = '{planted}'\n",
    }[file]
    (project / file).write_text(text)
    env = {"DBCTL_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "own")}
    done = invoke(*arguments, env=env, cwd=project)
    assert not (tmp_path / "was-run").exists()
    assert done.exit_code == 2, done
    assert f"DB_PG_BINDIR comes from {file} of {project}" in done.stderr
    assert str(tmp_path / "own" / "dbctl" / "config.toml") in done.stderr


def test_programs_that_the_environment_names_win_over_the_project(
    tmp_path: Path, planted: Path
) -> None:
    (planted.parent / ".env").write_text("DB_PG_BINDIR=/nonexistent/programs\n")
    env = {"DBCTL_STATE_DIR": str(tmp_path / "state"), "DB_PG_BINDIR": str(planted)}
    invoke("server", "status", env=env, cwd=planted.parent)
    assert (tmp_path / "was-run").exists()


def test_programs_that_the_users_configuration_names_are_run(tmp_path: Path, planted: Path) -> None:
    own = tmp_path / "own" / "dbctl" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f"pg_bindir = '{planted}'\n")
    env = {"DBCTL_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path / "own")}
    invoke("server", "status", env=env, cwd=planted.parent)
    assert (tmp_path / "was-run").exists()


@pytest.mark.parametrize("text", ["pg_bindir = 3", "bindir = 'a'", "pg_bindir =", "\udcff"])
def test_configuration_of_the_user_that_cannot_be_read_exits_2(tmp_path: Path, text: str) -> None:
    own = tmp_path / "dbctl" / "config.toml"
    own.parent.mkdir(parents=True)
    own.write_text(text, errors="surrogateescape")
    env = {"DBCTL_STATE_DIR": str(tmp_path / "state"), "XDG_CONFIG_HOME": str(tmp_path)}
    done = invoke("server", "status", env=env, cwd=tmp_path)
    assert done.exit_code == 2, done
    assert str(own) in done.stderr


def test_programs_of_a_project_with_a_database_of_its_own_hinder_nothing(
    tmp_path: Path, empty_url: str
) -> None:
    (tmp_path / ".env").write_text("DB_PG_BINDIR=/nonexistent/programs\n")
    done = invoke("inspect", "tables", env={"DATABASE_URL": empty_url}, cwd=tmp_path)
    assert done.exit_code == 0, done


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "query", r"select E'\x1b[31m\x1b]0;title\x07'::int"),
        ("inspect", "rows", "t", "id=\x1b[31m"),
        ("-v", "migrate", "status"),
    ],
)
def test_verbose_writes_no_control_sequence_of_the_server(
    empty_url: str, arguments: tuple[str, ...]
) -> None:
    execute(
        empty_url,
        "CREATE TABLE t (id int)",
        "CREATE TABLE alembic_version (version_num varchar(32))",
        r"INSERT INTO alembic_version VALUES (E'\x1b[31m')",
    )
    verbose = arguments if "-v" in arguments else (*arguments, "-v")
    done = run_dbctl(*verbose, env={"DATABASE_URL": empty_url})
    assert done.exit_code != 0
    assert "dbctl" in done.stderr
    assert "\x1b" not in done.stderr, done.stderr
