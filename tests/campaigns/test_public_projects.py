"""Published applications with Alembic revisions: plain Alembic and dbctl leave the same database.

Each is installed from the package index into a virtual environment of its own, beside the wheel of
this checkout, and nothing of it is kept in the repository. `DBCTL_CAMPAIGN_DIR` names a folder in
which the environments are kept from one run to the next.

    uv run pytest -m campaign -n 0 tests/campaigns

Not here, because plain Alembic does not run them: prefect (its env.py wants the event loop of a
server), dagster (it wants a connection in `config.attributes`), keystone (its revisions read
options that only its own command registers).
"""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import ROOT, Finished, environment
from tests.support.databases import fetch
from tests.support.foreign import (
    NO_SERVER,
    URL_LINE,
    driver_url,
    in_ini,
    ledger_of,
    name_of,
    state_of,
)

pytestmark = pytest.mark.campaign

_CAMPAIGN_DIR = os.environ.get("DBCTL_CAMPAIGN_DIR")
# `uv run` says where it is.
_UV = os.environ.get("UV", "uv")
SCRIPT_LOCATION = re.compile(r"^script_location = .*$", re.MULTILINE)


COMPARED_BY_ALEMBIC = {
    *("add_table", "remove_table", "add_column", "remove_column", "add_fk", "remove_fk"),
    *("modify_type", "modify_nullable", "modify_default", "modify_comment"),
}


@dataclass(frozen=True)
class PublicProject:
    """A published application, and how its users reach its database.

    `ini` is below site-packages. It is used as it is, in its folder, where the application takes
    the URL from `variables`; else a copy names the URL with `driver` and the absolute folder
    `scripts`. `prepare` is Python that makes what the first revision expects.
    """

    name: str
    package: str
    ini: str
    driver: str
    scripts: str | None = None
    variables: Callable[[str, Path], Mapping[str, str]] = lambda _url, _home: {}
    prepare: str | None = None
    version_table: str = "alembic_version"

    def __str__(self) -> str:
        return self.name


PROJECTS = [
    PublicProject(
        name="optuna",
        package="optuna",
        ini="optuna/storages/_rdb/alembic.ini",
        scripts="optuna/storages/_rdb/alembic",
        driver="psycopg2",
    ),
    PublicProject(
        name="mlflow",
        package="mlflow",
        ini="mlflow/store/db_migrations/alembic.ini",
        scripts="mlflow/store/db_migrations",
        driver="psycopg2",
        prepare=(
            "import sys, sqlalchemy\n"
            "from mlflow.store.db.utils import InitialBase\n"
            "InitialBase.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))\n"
        ),
    ),
    PublicProject(
        name="mlflow-auth",
        package="mlflow[auth]",
        ini="mlflow/server/auth/db/migrations/alembic.ini",
        scripts="mlflow/server/auth/db/migrations",
        driver="psycopg",
        version_table="alembic_version_auth",
    ),
    PublicProject(
        name="arize-phoenix",
        package="arize-phoenix",
        ini="phoenix/db/alembic.ini",
        driver="asyncpg",
        variables=lambda url, home: {
            "PHOENIX_SQL_DATABASE_URL": url.replace("+asyncpg", ""),
            "PHOENIX_WORKING_DIR": str(home),
        },
    ),
    PublicProject(
        name="apache-airflow",
        package="apache-airflow",
        ini="airflow/alembic.ini",
        driver="psycopg2",
        variables=lambda url, home: {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW_HOME": str(home),
        },
    ),
]


@dataclass(frozen=True)
class Installation:
    """A public project in a virtual environment, beside dbctl."""

    project: PublicProject
    root: Path

    @property
    def site_packages(self) -> Path:
        """The folder of the environment's packages."""
        (found,) = (self.root / "lib").glob("python*/site-packages")
        return found

    def run(self, program: str, *arguments: str, url: str, home: Path) -> Finished:
        """Run a program of the environment on the database at `url`."""
        url = driver_url(url, self.project.driver)
        variables = {**NO_SERVER, "HOME": str(home), **self.project.variables(url, home)}
        cwd = (self.site_packages / self.project.ini).parent
        done = subprocess.run(
            [self.root / "bin" / program, *arguments],
            env=environment(**variables),
            cwd=cwd if self.project.scripts is None else home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def ini(self, url: str, home: Path) -> Path:
        """Return the ini to use for the database at `url`."""
        own = self.site_packages / self.project.ini
        if self.project.scripts is None:
            return own
        url = in_ini(driver_url(url, self.project.driver))
        text, urls = URL_LINE.subn(lambda _: f"sqlalchemy.url = {url}", own.read_text())
        scripts = self.site_packages / self.project.scripts
        text, places = SCRIPT_LOCATION.subn(lambda _: f"script_location = {scripts}", text)
        assert (urls, places) == (1, 1), text
        copy = home / "alembic.ini"
        copy.write_text(text)
        return copy

    def prepare(self, url: str, home: Path) -> None:
        """Make what the first revision expects, as the application does."""
        if self.project.prepare is None:
            return
        script = home / "prepare.py"
        script.write_text(self.project.prepare)
        done = self.run(
            "python", str(script), driver_url(url, self.project.driver), url=url, home=home
        )
        assert done.exit_code == 0, done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the virtual environments."""
    if _CAMPAIGN_DIR is None:
        return tmp_path_factory.mktemp("campaign")
    kept = Path(_CAMPAIGN_DIR)
    kept.mkdir(parents=True, exist_ok=True)
    return kept


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        env=environment(),
        check=True,
        capture_output=True,
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module", params=PROJECTS, ids=str)
def installation(request: pytest.FixtureRequest, folder: Path, wheel: Path) -> Installation:
    """One of the projects, installed with dbctl in one resolution."""
    project: PublicProject = request.param
    root = folder / project.name
    requirements = [project.package, "psycopg[binary]", "psycopg2-binary", str(wheel)]
    content = hashlib.sha256(wheel.read_bytes()).hexdigest()
    marker = root / "installed.txt"
    if not marker.exists() or marker.read_text() != content:
        _uv("venv", "--clear", "--python", sys.executable, str(root))
        _uv("pip", "install", "--python", str(root / "bin" / "python"), *requirements)
        marker.write_text(content)
    return Installation(project, root)


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [_UV, "--no-config", *arguments],  # exclude-newer is for the checkout alone
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stderr}"


@pytest.fixture
def homes(tmp_path: Path) -> Sequence[Path]:
    """A home folder for each of two runs."""
    made = [tmp_path / "plain", tmp_path / "dbctl"]
    for home in made:
        home.mkdir()
    return made


def test_public_project_upgraded_by_dbctl_is_what_alembic_leaves(
    installation: Installation,
    tcp_urls: tuple[str, str],
    homes: Sequence[Path],
    record_property: Callable[[str, object], None],
) -> None:
    project, (plain, ours) = installation.project, tcp_urls
    for url, home in zip(tcp_urls, homes, strict=True):
        installation.prepare(url, home)
    ini = str(installation.ini(plain, homes[0]))
    started = time.monotonic()
    done = installation.run("alembic", "-c", ini, "upgrade", "head", url=plain, home=homes[0])
    record_property("alembic_seconds", round(time.monotonic() - started, 1))
    assert done.exit_code == 0, done.stderr[-3000:]
    expected = state_of(plain)
    versions = fetch(plain, f"select version_num::text from {project.version_table} order by 1")
    assert versions
    record_property("tables", sum(line.startswith("CREATE TABLE") for line in expected))
    check = installation.run("alembic", "-c", ini, "check", url=plain, home=homes[0])

    def dbctl(*arguments: str) -> Finished:
        ini = str(installation.ini(ours, homes[1]))
        return installation.run(
            "dbctl", "--alembic-config", ini, *arguments, "--json", url=ours, home=homes[1]
        )

    started = time.monotonic()
    done = dbctl("migrate", "up")
    record_property("dbctl_seconds", round(time.monotonic() - started, 1))
    assert done.exit_code == 0, (done.stdout[-2000:], done.stderr[-3000:])
    assert name_of(ours) in done.json["database"]
    assert sorted(done.json["after"]) == versions
    assert ledger_of(ours) == [step["revision"] for step in done.json["applied"]]
    assert without_random(state_of(ours)) == without_random(expected)
    status = dbctl("migrate", "status")
    assert (status.exit_code, status.json["state"]) == (0, "current"), status
    again = dbctl("migrate", "up")
    assert (again.exit_code, again.json["applied"]) == (0, []), again
    if check.exit_code == 0:
        # dbctl compares more than Alembic: what is beyond that may differ, and does in airflow.
        found = dbctl("migrate", "check").json["differences"]
        assert [each for each in found if each["kind"] in COMPARED_BY_ALEMBIC] == []


def without_random(lines: Sequence[str]) -> list[str]:
    """Return the lines of a dump without values that a revision makes anew on each run."""
    uuid = re.compile(r"'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'")
    moment = re.compile(r"'\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^']*'")
    return [moment.sub("'…'", uuid.sub("'…'", line)) for line in lines]
