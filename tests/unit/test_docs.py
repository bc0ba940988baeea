"""What the README says is so."""

import ast
import re
import shlex
from importlib import import_module

import pytest

from dbctl.config.check.results import Problem, Subject
from dbctl.errors import ExitCode
from dbctl.migrate.results import State
from tests.support.cli import ROOT, invoke

README = (ROOT / "README.md").read_text()
MIGRATE = (ROOT / "docs" / "migrate.md").read_text()
CONFIG = (ROOT / "docs" / "config.md").read_text()
PAGES = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
GROUPS = ("init", "migrate", "seed", "health", "inspect", "server", "config")
LINES = sorted(
    set(
        re.findall(
            r"^(?:\$ | +- run: )(?:uv run )?dbctl (.+?)(?:\s+#.*)?$",
            README + PAGES,
            re.MULTILINE,
        )
    )
)


def test_there_are_commands_to_check() -> None:
    first = {line.split()[0] for line in LINES}
    assert first == {*GROUPS, "--install-completion"}


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_readme_exists_with_its_options(line: str) -> None:
    words = shlex.split(line)
    is_group = words[0] in {"migrate", "seed", "inspect", "server"} or words[1:2] == ["serve"]
    command = [word for word in words[: 2 if is_group else 1] if not word.startswith("-")]
    help_text = invoke(*command, "--help").stdout
    assert f"Usage: dbctl {' '.join(command)}" in help_text
    for option in (word for word in words if word.startswith("--")):
        assert f" {option} " in help_text


def test_the_exit_codes_are_those_of_the_program() -> None:
    table = README.partition("## Exit codes")[2].partition("## ")[0]
    rows = re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE)
    codes = {int(code) for row in rows for code in row.split(",")}
    assert codes == {code.value for code in ExitCode}


def test_the_states_of_a_database_are_those_of_the_program() -> None:
    table = MIGRATE.partition("| state | the database |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [*State]


def test_the_subjects_and_codes_of_config_check_are_those_of_the_program() -> None:
    table = CONFIG.partition("| subject | obstacles | warnings |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE) == [*Subject]
    assert set(re.findall(r"`(\w+)`", table)) - {*Subject} == {*Problem} - {*Subject}


def test_the_example_beside_fastapi_imports_what_is_there() -> None:
    (example,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    ours = [
        node
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dbctl")
    ]
    assert ours
    for node in ours:
        for name in node.names:
            assert hasattr(import_module(node.module or ""), name.name)


def test_every_file_that_is_linked_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
