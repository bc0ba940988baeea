"""Databases of a project by their names: each command works on the one that is picked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import invoke
from tests.support.databases import TestServer, execute
from tests.support.terminal import Terminal

ENVIRONMENTS = {"local": "test", "staging": "staging", "live": "production"}


@pytest.fixture
def project(tmp_path: Path, server: TestServer) -> Iterator[Path]:
    """A project with three databases, each with a table of its name."""
    lines = [
        f'{name} = {{ url = "env:{name.upper()}_URL", environment = "{environment}" }}'
        for name, environment in ENVIRONMENTS.items()
    ]
    (tmp_path / "pyproject.toml").write_text("\n".join(["[tool.dbctl.databases]", *lines, ""]))
    with server.database() as one, server.database() as two, server.database() as three:
        urls = dict(zip(ENVIRONMENTS, (one, two, three), strict=True))
        for name, url in urls.items():
            execute(url, f"create table {name} (id int primary key)")
        (tmp_path / ".env").write_text(
            "".join(f"{name.upper()}_URL='{url}'\n" for name, url in urls.items())
        )
        yield tmp_path


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("how", ["before", "after", "variable", "env file"])
def test_each_named_database_is_the_one_that_a_command_reads(
    project: Path, name: str, how: str
) -> None:
    arguments = ["inspect", "tables", "--json"]
    env = {"DATABASE_URL": "postgresql://127.0.0.1:1/other"} if how != "env file" else {}
    match how:
        case "before":
            arguments = ["--database", name, *arguments]
        case "after":
            arguments += ["--database", name]
        case "variable":
            env["DBCTL_DATABASE"] = name
        case _:
            (project / ".env.one").write_text(
                f"{(project / '.env').read_text()}DBCTL_DATABASE={name}\n"
            )
            arguments = ["--env-file", ".env.one", *arguments]
    done = invoke(*arguments, env=env, cwd=project)
    assert [table["name"] for table in done.json["tables"]] == [name], done


def test_config_shows_the_database_that_is_picked(project: Path) -> None:
    done = invoke("--database", "live", "config", "--json", cwd=project)
    settings = {each["name"]: (each["value"], each["source"]) for each in done.json["settings"]}
    origin = "databases.live in pyproject.toml"
    assert settings["DBCTL_DATABASE"] == ("live", "flag")
    assert settings["ENVIRONMENT"] == ("production", origin)
    assert settings["DATABASE_URL"][1] == origin


def test_seed_into_a_named_database_in_production_is_refused(project: Path) -> None:
    done = invoke("seed", "generate", "live=1", "--database", "live", "--json", cwd=project)
    assert (done.exit_code, done.json["error"]["code"]) == (5, "production_guard"), done


@pytest.mark.parametrize(("name", "colour"), [("staging", b"43m"), ("local", b"36m")])
def test_question_shows_the_named_database_in_colour(
    project: Path, name: str, colour: bytes
) -> None:
    with Terminal(
        "--database", name, "seed", "allow", env={"NO_COLOR": ""}, cwd=project
    ) as terminal:
        terminal.wait_for("Type the name of the database")
        assert f" {name} · {ENVIRONMENTS[name]} " in terminal.screen
        assert colour in terminal.printed
        terminal.type("no\r")
        assert terminal.finish() == 5
