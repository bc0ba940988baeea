"""TAB, as the shells ask for it: by the functions that they install, and in a real bash."""

import contextlib
import gc
import io
import os
import re
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from dbctl.cli import main
from dbctl.inspect.cache import cache_folder
from tests.support.cli import environment, invoke
from tests.support.databases import TestServer, execute
from tests.support.terminal import Terminal

PROGRAMS = str(Path(sys.executable).parent)
SCHEMA = (
    "create table users (id int primary key, email text, full_name text)",
    "create table user_roles (id int)",
    'create table "The Table" ("Odd ""Column" int, plain int)',
    'create table "x\'; touch gone; $(touch gone)`touch gone`" (id int)',
    "create schema shop",
    "create table shop.orders (id int)",
    "create view seen as select 1 as one",
)


@pytest.fixture(scope="module")
def catalogue(
    server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A project whose database was looked at, and the environment of a shell in it."""
    root = tmp_path_factory.mktemp("project")
    (root / "pyproject.toml").write_text(
        "[tool.dbctl.databases]\nlocal = 'postgresql:///a'\nstaging = 'postgresql:///b'\n"
    )
    cache = str(tmp_path_factory.mktemp("cache"))
    with server.database() as url:
        execute(url, *SCHEMA)
        env = {"DATABASE_URL": url, "XDG_CACHE_HOME": cache}
        assert invoke("inspect", "tables", env=env, cwd=root).exit_code == 0
        yield root, {"XDG_CACHE_HOME": cache}


@pytest.fixture
def no_server() -> Iterator[tuple[str, socket.socket]]:
    """A URL, and the socket that would see whoever connects to it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        yield f"postgresql://nobody:secret@127.0.0.1:{port}/none", listening


def ask(root: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run dbctl as the function of a shell does, in this process; nothing is told on stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ, environment(**env), clear=True),
        patch.object(sys, "argv", ["dbctl"]),
        contextlib.chdir(root),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    gc.enable()
    assert err.getvalue() == ""
    return int(ended.value.code or 0), out.getvalue()


def bash(root: Path, env: dict[str, str], *words: str) -> list[str]:
    """Return what bash would be offered for the last of `words`, as it splits them."""
    asked = {"COMP_WORDS": "\n".join(["dbctl", *words]), "COMP_CWORD": str(len(words))}
    code, offered = ask(root, env | asked | {"_DBCTL_COMPLETE": "complete_bash"})
    assert code == 0
    return [word for word in offered.splitlines() if word]


def zsh(root: Path, env: dict[str, str], line: str) -> str:
    """Return what zsh would evaluate for a line."""
    code, said = ask(root, env | {"_TYPER_COMPLETE_ARGS": line, "_DBCTL_COMPLETE": "complete_zsh"})
    assert code == 0
    return said


def fish(root: Path, env: dict[str, str], line: str, action: str) -> tuple[int, list[str]]:
    """Return what fish is told."""
    code, said = ask(
        root,
        env
        | {"_TYPER_COMPLETE_ARGS": line, "_DBCTL_COMPLETE": "complete_fish"}
        | {"_TYPER_COMPLETE_FISH_ACTION": action},
    )
    return code, [word for word in said.splitlines() if word]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["insp"], ["inspect"]),
        (["inspect", "diag"], ["diagram"]),
        (["inspect", "rows", "us"], ["user_roles", "users"]),
        (["inspect", "table", "se"], ["seen"]),
        (["inspect", "row", "shop."], ["shop.orders"]),
        (["inspect", "rows", "The"], []),
        (["inspect", "rows", "users", "--columns", "e"], ["email"]),
        (["inspect", "rows", "users", "--columns", "id,f"], ["id,full_name"]),
        (["inspect", "rows", "public.users", "--order", "fu"], ["full_name"]),
        (["inspect", "rows", "users", "--where", "em"], ["email=", "email~"]),
        (["inspect", "rows", "users", "em"], ["email=", "email~"]),
        (["inspect", "rows", "users", "email", "="], []),
        (["inspect", "rows", "users", "email", "=", "i"], []),
        (["inspect", "rows", "'\"The Table\"'", "p"], ["plain=", "plain~"]),
        (["inspect", "rows", "nothing", "--columns", ""], []),
        (["inspect", "rows", "users", "--format", "nd"], ["ndjson"]),
        (["inspect", "diagram", "--format", "mer"], ["mermaid"]),
        (["inspect", "diagram", "users", "seen", "us"], ["user_roles", "users"]),
        (["--version", "con"], ["config"]),
        (["--database", "st"], ["staging"]),
        (["migrate", "status", "--database", ""], ["local", "staging"]),
    ],
    ids=" ".join,
)
def test_bash_is_offered_what_can_follow(
    catalogue: tuple[Path, dict[str, str]], words: list[str], offered: list[str]
) -> None:
    assert bash(*catalogue, *words) == offered


def test_every_shell_is_offered_the_tables_with_no_connection(
    catalogue: tuple[Path, dict[str, str]], no_server: tuple[str, socket.socket]
) -> None:
    root, env = catalogue
    url, listening = no_server
    env = env | {"DATABASE_URL": url}
    assert "users" in bash(root, env, "inspect", "rows", "")
    assert '"users"' in zsh(root, env, "dbctl inspect rows ")
    assert "users" in fish(root, env, "dbctl inspect rows ", "get-args")[1]
    with pytest.raises(BlockingIOError):
        listening.accept()


def test_fish_learns_by_the_exit_code_whether_there_is_anything(
    catalogue: tuple[Path, dict[str, str]],
) -> None:
    assert fish(*catalogue, "dbctl inspect rows us", "is-args")[0] == 0
    assert fish(*catalogue, "dbctl inspect rows nothing", "is-args")[0] == 1
    assert fish(*catalogue, "dbctl inspect rows '\"The", "get-args") == (0, ['"The Table"'])
    assert '"The Table"' in fish(*catalogue, "dbctl inspect rows ", "get-args")[1]


def test_no_name_is_anything_but_a_word_to_a_shell(
    catalogue: tuple[Path, dict[str, str]],
) -> None:
    root, env = catalogue
    offered = bash(root, env, "inspect", "rows", "")
    assert "'\"The Table\"'" in offered
    (odd,) = [word for word in offered if "touch" in word]
    said = subprocess.run(
        ["bash", "-c", f"printf %s {odd}"], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout == '"x\'; touch gone; $(touch gone)`touch gone`"'
    assert "touch" not in zsh(root, env, "dbctl inspect rows ")
    assert not (root / "gone").exists()


def test_nothing_is_said_where_nothing_is_known_or_all_is_broken(
    catalogue: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, _ = catalogue
    broken = {"XDG_CACHE_HOME": str(tmp_path), "DATABASE_URL": "postgresql://[", "ENVIRONMENT": "x"}
    assert bash(root, broken, "inspect", "rows", "") == []
    (tmp_path / "pyproject.toml").write_text("[tool.dbctl")
    assert bash(tmp_path, broken, "inspect", "rows", "u") == []
    assert bash(tmp_path, broken, "inspect", "table", "users", "--no", "") == []


def test_neither_driver_nor_settings_are_imported_at_tab(
    catalogue: tuple[Path, dict[str, str]],
) -> None:
    root, env = catalogue
    words = {"COMP_WORDS": "dbctl\ninspect\nrows\nu", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dbctl"],
        env=environment(**env, **words, _DBCTL_COMPLETE="complete_bash"),
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "dbctl.inspect.completion.candidates" in imported
    assert not imported & {
        "asyncio",
        "asyncpg",
        "dbctl.settings",
        "pydantic_settings",
        "rich.table",
    }
    assert not any(name.startswith("sqlalchemy") for name in imported)


def test_a_command_that_connects_keeps_the_names_for_the_user_alone(
    server: TestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").touch()

    def seen(url: str) -> list[str]:
        invoke("inspect", "tables", env={"DATABASE_URL": url}, cwd=root)
        return bash(root, {}, "inspect", "rows", "")

    with server.database() as first, server.database() as second:
        execute(first, "create table a ()")
        execute(second, "create table b ()")
        assert seen(first) == ["a"]
        assert seen(second) == ["b"]
        execute(first, "create table c ()")
        assert seen(first) == ["a"]  # read a moment ago
        files = [path for path in cache_folder().rglob("*") if path.is_file()]
        for path in files:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert stat.S_IMODE(path.parents[1].stat().st_mode) == 0o700
            os.utime(path, (time.time() - 3600,) * 2)
        assert seen(first) == ["a", "c"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(tmp_path: Path, shell: str) -> None:
    env = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "HOME": str(tmp_path)}
    shown = subprocess.run(
        [sys.executable, "-m", "dbctl", "--show-completion", shell],
        env=environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_DBCTL_COMPLETE=complete_{shell}" in shown.stdout
    installed = subprocess.run(
        [sys.executable, "-m", "dbctl", "--install-completion", shell],
        env=environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{shell} completion installed" in installed.stdout
    scripts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(f"_DBCTL_COMPLETE=complete_{shell}" in script for script in scripts)


def test_tab_completes_in_a_real_bash(catalogue: tuple[Path, dict[str, str]]) -> None:
    root, env = catalogue
    script = subprocess.run(
        [sys.executable, "-m", "dbctl", "--show-completion", "bash"],
        env=environment(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (root / "bashrc").write_text(f"PS1='ready> '\nbind 'set bell-style none'\n{script}")
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    shell = ["bash", "--noprofile", "--rcfile", str(root / "bashrc"), "-i"]
    with Terminal(program=shell, env=env | {"PATH": path}, cwd=root) as terminal:
        terminal.wait_for("ready> ")
        terminal.type("dbctl insp\t")
        terminal.wait_for("inspect ")
        terminal.type("rows use\t")
        terminal.wait_for("rows user")
        terminal.type("_\t")
        terminal.wait_for("user_roles ")
        terminal.type("--columns i\t")
        terminal.wait_for("--columns id ")
        terminal.type("\x15exit\r")
        assert terminal.finish() == 0
    assert not re.search(r"Traceback|[Ee]rror", terminal.screen)
