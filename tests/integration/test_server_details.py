"""What a server says beside its message: the DETAIL of its errors reaches who runs a command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import invoke
from tests.support.databases import TestServer, execute
from tests.support.project import Project


@pytest.fixture(scope="module")
def foreign_url(server: TestServer) -> Iterator[str]:
    """A database with a foreign table whose server does not listen."""
    with server.database() as url:
        execute(
            url,
            "create extension postgres_fdw",
            "create server far foreign data wrapper postgres_fdw"
            " options (host '127.0.0.1', port '1', connect_timeout '2')",
            "create user mapping for public server far options (user 'u', password 'hunter2')",
            "create foreign table away (id int) server far",
            "create table t (id int)",
            "create function ask() returns trigger language plpgsql as"
            " $$begin perform from away; return new; end$$",
            "create trigger ask before insert on t for each row execute function ask()",
        )
        yield url


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "rows", "away"),
        ("inspect", "rows", "away", "--format", "csv"),
        ("inspect", "query", "select count(*) from away"),
        ("seed", "load", "x.csv", "--into", "t"),
        ("seed", "load", "x.csv", "--into", "t", "--reject", "bad.ndjson"),
        ("seed", "generate", "t=2"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_errors_of_a_foreign_server_have_their_detail(
    foreign_url: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "x.csv").write_text("id\n1\n")
    done = invoke(*arguments, env={"DATABASE_URL": foreign_url}, cwd=tmp_path)
    assert done.exit_code == 4, done.stderr
    assert 'could not connect to server "far"' in done.stderr
    assert "Connection refused" in done.stderr
    assert "hunter2" not in done.stderr


def test_error_of_a_revision_names_what_depends_on_a_table(tmp_path: Path, empty_url: str) -> None:
    project = Project.create(tmp_path, empty_url, "create table a (id int)", "drop table a")
    assert project.run("migrate", "up", "+1").exit_code == 0
    execute(empty_url, "create view v as select id from a", "create view w as select id from a")
    done = project.run("migrate", "up")
    assert done.exit_code == 4, done.stderr
    assert "view v depends on table a; view w depends on table a" in done.stderr
