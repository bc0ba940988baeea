"""What `dbctl config` shows of a project beside its settings, without running any of it."""

from pathlib import Path
from typing import Any

from tests.support.cli import Finished, invoke
from tests.support.foreign import ForeignProject, Template, init_project

NOTHING_THERE = "postgresql://me:s3cret@127.0.0.1:1/shop"


def parts(done: Finished) -> dict[str, list[dict[str, Any]]]:
    assert done.exit_code == 0, done
    found: dict[str, list[dict[str, Any]]] = {}
    for part in done.json["parts"]:
        found.setdefault(part["name"], []).append(part)
    return found


def shop(root: Path) -> ForeignProject:
    project = init_project(root / "shop", Template.ASYNC, None)
    project.edit_env(
        ("target_metadata = None", "from shop.models import Base\ntarget_metadata = Base.metadata")
    )
    project.write("shop/seeds.py", "raise SystemExit('imported')\n")
    project.write(
        "pyproject.toml",
        '[tool.dbctl.seeds]\ndev = "shop.seeds:dev"\nother = "elsewhere"\n'
        '[tool.dbctl.mask]\ncolumns = ["customer.phone"]\nshow = ["customer.token_kind"]\n'
        '[tool.dbctl.databases]\nlive = "env:LIVE_URL"\nlocal = "postgresql://me:s3cret@h/d"\n',
    )
    return project


def test_config_shows_the_parts_of_a_project_with_their_sources_and_imports_nothing(
    tmp_path: Path, state_dir: Path
) -> None:
    project = shop(tmp_path)
    env = {"DATABASE_URL": NOTHING_THERE, "DBCTL_STATE_DIR": str(state_dir)}
    done = invoke("config", "--json", env=env, cwd=project.root)
    found = parts(done)
    where = {name: [(one["path"], one["source"]) for one in each] for name, each in found.items()}
    root = str(project.root)
    assert where["alembic ini"] == [(f"{root}/alembic.ini", "project")]
    assert where["env.py"] == [(f"{root}/alembic/env.py", "alembic.ini")]
    assert where["revisions"] == [(f"{root}/alembic/versions", "alembic.ini")]
    assert where["seed set dev"] == [(f"{root}/shop/seeds.py", "[tool.dbctl.seeds]")]
    assert where["seed set other"] == [(None, "[tool.dbctl.seeds]")]
    (server,) = found["embedded server"]
    assert server["source"] == "environment"
    assert Path(server["path"]).parent == state_dir.resolve()
    values = {name: [one["value"] for one in each] for name, each in found.items()}
    assert values["env.py"] == ["async"]
    assert values["models"] == ["Base.metadata (from shop.models)"]
    assert values["masks"][1:] == ["customer.phone"]
    assert values["not masked"] == ["customer.token_kind"]
    assert values["database local"] == ["postgresql://me:***@h:5432/d"]
    assert "LIVE_URL" in found["database live"][0]["problem"]
    assert "s3cret" not in done.stdout + done.stderr
    assert not list(state_dir.iterdir())
    table = invoke("config", env=env, cwd=project.root)
    assert "Base.metadata (from shop.models) (target_metadata of env.py, line" in table.stdout
    rows = invoke("config", "--format", "csv", env=env, cwd=project.root)
    assert f"revisions,{root}/alembic/versions,alembic.ini" in rows.stdout


def test_config_part_that_cannot_be_read_says_why_beside_the_others(tmp_path: Path) -> None:
    project = shop(tmp_path)
    project.write("pyproject.toml", "[tool.dbctl.mask]\ncolums = []\n[tool.dbctl.seeds]\ndev = 3\n")
    project.write("alembic.ini", "[alembic]\nscript_location = nowhere\n")
    found = parts(invoke("config", "--json", env={"DATABASE_URL": NOTHING_THERE}, cwd=project.root))
    assert "unknown key 'colums'" in found["masks"][0]["problem"]
    assert "dev in [tool.dbctl.seeds]" in found["seed sets"][0]["problem"]
    assert found["env.py"][0]["problem"] == f"there is no env.py in {project.root}/nowhere"
    assert found["revisions"][0]["problem"] == "there is no such folder"
    assert found["cache"][0]["problem"] is None
