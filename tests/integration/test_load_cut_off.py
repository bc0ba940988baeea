"""A load that is ended, or whose connection is cut, at any moment leaves the table as it was."""

import random
import signal
from pathlib import Path
from time import sleep as pause

import pytest

from dbctl.errors import ExitCode
from tests.support.databases import TestServer, execute, fetch, wait_for
from tests.support.processes import Running
from tests.support.proxy import FaultProxy, Mode

STRAIGHT: tuple[str, ...] = ()
STAGED = ("--on-conflict", "update", "--conflict-key", "uq_users_email_lower")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes seconds to load."""
    path = tmp_path_factory.mktemp("load") / "users.csv"
    rows = (f"{number}@example.com,{number}\n" for number in range(400_000))
    path.write_text("email,name\n" + "".join(rows))
    return path


@pytest.mark.parametrize("way", [STRAIGHT, STAGED], ids=["straight", "staged"])
def test_a_killed_load_leaves_the_rows_as_they_were(
    tmp_path: Path, database_url: str, file: Path, way: tuple[str, ...]
) -> None:
    before = there_already(database_url)
    for _ in range(5):
        run = begun(database_url, database_url, file, way, tmp_path)
        run.send_signal(signal.SIGKILL)
        assert run.finish().exit_code == -signal.SIGKILL
        left_alone(database_url, before)


@pytest.mark.parametrize("way", [STRAIGHT, STAGED], ids=["straight", "staged"])
def test_a_load_whose_connection_is_reset_says_that_nothing_was_written(
    server: TestServer, tmp_path: Path, database_url: str, file: Path, way: tuple[str, ...]
) -> None:
    before = there_already(database_url)
    for _ in range(5):
        with FaultProxy(server.dsn) as proxy:
            run = begun(proxy.url_of(database_url), database_url, file, way, tmp_path)
            proxy.behave(Mode.RESET)
            done = run.finish()
        assert done.exit_code == ExitCode.UNREACHABLE, done.stderr
        assert "was lost" in done.json["error"]["message"]
        assert "Nothing was written" in done.json["error"]["hint"]
        left_alone(database_url, before)


def there_already(url: str) -> list[str]:
    """Write the row that the last one of the file would update, or collide with."""
    execute(
        url,
        "insert into users (id, email, name)"
        " values (gen_random_uuid(), '399999@EXAMPLE.com', 'Ann')",
    )
    return rows(url)


def rows(url: str) -> list[str]:
    return fetch(url, "select u::text from users u")


def begun(url: str, direct: str, file: Path, way: tuple[str, ...], cwd: Path) -> Running:
    """Begin to load and return a moment after the server has begun to take rows."""
    (cwd / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
    run = Running(
        *("seed", "load", str(file), "--into", "users", "--json", *way),
        env={"DATABASE_URL": url},
        cwd=cwd,
    )
    wait_for(direct, "exists (select from pg_stat_progress_copy)")
    pause(random.uniform(0, 0.3))
    return run


def left_alone(url: str, before: list[str]) -> None:
    others = "select from pg_stat_activity where datname = current_database()"
    wait_for(url, f"not exists ({others} and pid <> pg_backend_pid())")
    assert rows(url) == before
