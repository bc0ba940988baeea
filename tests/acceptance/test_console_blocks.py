"""Every line of every console block of the documentation does what the page says of it."""

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from backports import zstd

from tests.conftest import MIGRATED
from tests.support.cli import ROOT, environment, run_dbctl
from tests.support.console import Shell, lines_of
from tests.support.databases import TestServer, execute

EXAMPLE_USER = "16194304-04d3-548b-9807-7b9509d3302b"
pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text()
# docs/init.md is followed from an empty folder in test_init_docs.py.
PAGES = [
    "README.md",
    *(
        str(page.relative_to(ROOT))
        for page in sorted(ROOT.glob("docs/*.md"))
        if page.stem != "init"
    ),
]
# The sections in which a reader has no DATABASE_URL yet; "" is what stands before the first.
EMBEDDED = {
    ("README.md", "Try it"),
    ("README.md", "Start a new project"),
    ("README.md", "server"),
    *(("docs/server.md", section) for section in ("", "Branches", "Snapshots")),
}

# What a page writes for something that only its reader has.
STANDS_FOR = {
    "<this repository>": str(ROOT),
    "uv run pytest": "uv run pytest --collect-only -q tests/unit/test_names.py",
    "/var/lib/node_exporter/textfile/": "./",
    " REV": " head",
    "--set demo": "--set dev",
    "--to-plan 3f2a9c0d1b2e4f56": '--to-plan "$(dbctl migrate plan --json | '
    'python -c \'import json, sys; print(json.load(sys.stdin)["hash"])\')"',
    "down -2": "down -1",
    "'postgresql://user:password@db.example.com/app'": '"$CLONE_URL"',
    "shop.db:Base,shop.audit": "dbctl.models",
    "users=10k tasks=1M": "users=1k tasks=2k",
}
# The exit codes of lines that do not end with 0, from what the page says of them: what asks on a
# terminal is refused here.
EXIT_CODES = {
    r"migrate down *(#|$)": 5,
    r"--reset\b": 5,
    r"seed allow\b": 5,
    r"^dbctl server (restore|destroy)\b": 5,
    # The server of the tests does not load pg_stat_statements, and its databases are in UTF-8.
    r"inspect slow\b": 1,
    r"--encoding LATIN1": 2,
    r"--output schema.svg": 0 if shutil.which("dot") else 4,
}
# What the lines of a page need beside the example.
TABLES = {
    "docs/inspect.md": """
        create table events (id int primary key, kind text);
        create table people (name text);
        create schema shop;
        create table shop.orders (id int primary key)
    """
}
ADA = "6f1c0d5e-0000-4000-8000-00000000000"
USERS = [{"id": f"{ADA}{n}", "email": f"ada{n}@example.com", "name": f"Ada {n}"} for n in range(3)]


def write_files(folder: Path) -> None:
    """Write the files that the pages read."""
    (folder / "my-application").symlink_to(folder)
    (folder / "users.json").write_text(json.dumps(USERS[:1]))
    lines = "".join(f"{json.dumps(user)}\n" for user in USERS[1:])
    (folder / "more.ndjson.zst").write_bytes(zstd.compress(lines.encode()))
    header = "id,user_id,title"
    task = f"{ADA}1,{EXAMPLE_USER},Try it"
    (folder / "tasks.csv.gz").write_bytes(gzip.compress(f"{header}\n{task}\n".encode()))
    (folder / "export.csv").write_text(f"{header},added,notes\n{task},2026-01-02T00:00:00Z,none\n")
    (folder / "report.sql").write_text("select status, count(*) from tasks group by status\n")


@pytest.fixture
def shell(page: str, tmp_path: Path, state_dir: Path, server: TestServer) -> Iterator[Shell]:
    """A shell in a project with the example at its head, seeded, and the files that pages name."""
    folder = tmp_path / "my-application"
    folder.mkdir()
    for name in ("pyproject.toml", "alembic.ini"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "alembic", folder / "alembic")
    write_files(folder)
    if page == "README.md":
        (named,) = re.findall(r"```toml\n(\[tool.dbctl.databases\].*?)```", README, re.DOTALL)
        with (folder / "pyproject.toml").open("a") as file:
            file.write(f"\n{named}")
    with server.database(MIGRATED) as url:
        env = environment(
            CLONE_URL=url,
            STAGING_URL=url,
            LIVE_URL=url,
            LIVE_DIRECT_URL=url,
            DBCTL_STATE_DIR=str(state_dir),
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            HOME=str(tmp_path),
        )
        with_url = env | {"DATABASE_URL": url}
        assert run_dbctl("seed", "--dev", env=with_url, cwd=folder).exit_code == 0
        if page in TABLES:
            execute(url, TABLES[page])
            (folder / "docs").mkdir()
            drawn = run_dbctl("inspect", "diagram", env=with_url, cwd=folder).stdout
            (folder / "docs" / "schema.md").write_text(f"```mermaid\n{drawn}```\n")
        try:
            with Shell(folder, env, tmp_path / "programs") as shell:
                yield shell
        finally:
            for started in (folder, folder / "dbctl", folder / "shop"):
                if started.is_dir():
                    run_dbctl("server", "destroy", "--yes", env=env, cwd=started)


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_a_page_end_as_it_says(page: str, shell: Shell) -> None:
    wrong, section = [], None
    for line in lines_of(page):
        if line.section != section:
            section = line.section
            embedded = (page, section) in EMBEDDED
            shell.run(
                'cd "$HOME/my-application"; '
                + ("unset DATABASE_URL" if embedded else 'export DATABASE_URL="$CLONE_URL"')
            )
        command = line.command
        for written, meant in STANDS_FOR.items():
            command = command.replace(written, meant)
        code, printed = (shell.start if line.is_endless else shell.run)(command)
        expected = next((code for part, code in EXIT_CODES.items() if re.search(part, command)), 0)
        if code != expected:
            wrong.append(f"{line}\n  exit {code}, not {expected}: {printed.strip()[-600:]}")
    assert not wrong, "\n".join(wrong)
