"""An installed dbctl, away from its checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.cli import ROOT, environment, run_dbctl
from tests.support.project import use_example


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env=environment(),
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_it_carries_its_revisions_and_its_sql(
    installed: Path, tmp_path: Path, empty_url: str
) -> None:
    assert (installed / "dbctl" / "bundled" / "alembic" / "env.py").is_file()
    env = {"DATABASE_URL": empty_url, "PYTHONPATH": str(installed)}
    use_example(tmp_path)
    up = run_dbctl("migrate", "up", "--json", env=env, cwd=tmp_path)
    assert (up.exit_code, up.json["after"]) == (0, ["4d6f1b0c9a27"])
    for arguments in (["health"], ["inspect", "tables"]):
        done = run_dbctl(*arguments, "--json", env=env, cwd=tmp_path)
        assert done.exit_code == 0, done.stdout
    schema = run_dbctl("health", "--schema", env=env, cwd=tmp_path)
    assert schema.json["title"] == "dbctl health"


def test_it_does_not_write_revisions_among_its_own(installed: Path, tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(installed)}
    use_example(tmp_path)
    done = run_dbctl("migrate", "new", "mine", "--json", env=env, cwd=tmp_path)
    assert done.exit_code == 2
    assert "are the example's" in done.json["error"]["message"]


def test_it_holds_no_test_and_no_tool(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {
        "dbctl"
    }
    assert (installed / "dbctl" / "py.typed").is_file()
