"""`dbctl init` in projects with an Alembic configuration."""

import contextlib
import io
from pathlib import Path

import flask_migrate
import pytest
from alembic import command
from alembic.config import Config

from tests.integration.test_init import NO_SERVER, actions, init, settings_in, snapshot
from tests.support.cli import invoke
from tests.support.foreign import METADATA_LINE, Template

STYLES = {
    Template.GENERIC: "sync",
    Template.ASYNC: "async",
    Template.MULTIDB: "several databases",
    Template.PYPROJECT: "sync",
    Template.PYPROJECT_ASYNC: "async",
}


def alembic_init(folder: Path, template: str = Template.GENERIC, scripts: str = "alembic") -> None:
    """Write what `alembic init` writes."""
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        command.init(Config("alembic.ini", toml_file="pyproject.toml"), scripts, template)


@pytest.mark.parametrize("template", Template)
def test_init_template_of_alembic_is_extended_by_a_seed_set_alone(
    tmp_path: Path, template: Template
) -> None:
    alembic_init(tmp_path, template)
    before = snapshot(tmp_path)
    done = init(tmp_path)
    assert set(actions(done)) == {"seeds.py", "pyproject.toml"}
    found = done.json["found"]
    assert (found["alembic"]["env_style"], found["alembic"]["revisions"]) == (STYLES[template], 0)
    assert found["alembic"]["config"] == "alembic.ini"
    assert found["database"]["connection"] == "embedded"
    after = snapshot(tmp_path)
    pyproject = (before.pop("pyproject.toml", None) or b"").decode()
    assert before.items() <= after.items()
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith(pyproject)
    assert text.removeprefix(pyproject).strip() == '[tool.dbctl.seeds]\ndev = "seeds"'
    again = init(tmp_path)
    assert (again.json["changed"], again.json["files"]) == (False, [])
    assert snapshot(tmp_path) == after


def test_init_models_that_env_py_does_not_name_are_named(tmp_path: Path) -> None:
    alembic_init(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "tables.py").write_text(
        "from sqlalchemy import Column, Integer\nfrom sqlalchemy.orm import declarative_base\n"
        "Base = declarative_base()\nclass Invoice(Base):\n    __tablename__ = 'invoice'\n"
        "    id = Column(Integer, primary_key=True)\n"
    )
    before = init(tmp_path, "--dry-run")
    assert before.json["found"]["models"] is None
    assert before.json["found"]["modules"] == ["shop.tables"]
    init(tmp_path)
    assert settings_in(tmp_path) == {"models": "shop.tables", "seeds": {"dev": "shop.seeds"}}
    assert init(tmp_path).json["found"]["models"] == {"source": "shop.tables", "tables": 1}


def test_init_models_of_env_py_and_the_database_are_shown_and_not_written(tmp_path: Path) -> None:
    alembic_init(tmp_path)
    env_py = tmp_path / "alembic" / "env.py"
    env_py.write_text(
        env_py.read_text().replace(
            METADATA_LINE,
            "from sqlalchemy import Column, Integer, MetaData, Table\n"
            "target_metadata = MetaData()\n"
            "Table('team', target_metadata, Column('id', Integer))",
        )
    )
    url = "postgresql://ada:s3cret@ep-cool-1-pooler.eu-central-1.aws.neon.tech/shop"
    (tmp_path / ".env").write_text(f"DATABASE_URL={url}\n")
    done = init(tmp_path)
    found = done.json["found"]
    assert found["models"] == {"source": "alembic/env.py", "tables": 1}
    assert found["database"]["connection"] == "pooled"
    assert "s3cret" not in done.stdout + done.stderr
    assert settings_in(tmp_path) == {"seeds": {"dev": "seeds"}}
    shown = invoke("init", env=NO_SERVER, cwd=tmp_path).stdout
    assert "through a pooler (DATABASE_URL)" in shown
    assert "s3cret" not in shown


def test_init_env_py_that_fails_is_shown_with_the_reason(tmp_path: Path) -> None:
    alembic_init(tmp_path)
    (tmp_path / "alembic" / "env.py").write_text("raise RuntimeError('not today')\n")
    done = init(tmp_path)
    faults = {fault["part"]: fault["reason"] for fault in done.json["found"]["unreadable"]}
    assert "RuntimeError: not today" in faults["models"]
    assert done.exit_code == 0


def test_init_configuration_in_another_folder_is_named(tmp_path: Path) -> None:
    inner = tmp_path / "db"
    inner.mkdir()
    alembic_init(inner)
    assert init(tmp_path).json["kind"] == "existing"
    assert settings_in(tmp_path)["alembic-config"] == "db/alembic.ini"
    again = init(tmp_path)
    assert (again.json["changed"], again.json["found"]["alembic"]["config"]) == (
        False,
        "db/alembic.ini",
    )


def test_init_several_configurations_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        alembic_init(tmp_path / name)
    done = init(tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert "one/alembic.ini, two/alembic.ini" in done.json["error"]["message"]
    chosen = invoke(
        "--alembic-config", "two/alembic.ini", "init", "--json", env=NO_SERVER, cwd=tmp_path
    )
    assert chosen.exit_code == 0, chosen
    assert settings_in(tmp_path)["alembic-config"] == "two/alembic.ini"


# Flask-Migrate's env.py calls what Flask-SQLAlchemy is about to remove.
@pytest.mark.filterwarnings("ignore:'get_engine' is deprecated:DeprecationWarning")
def test_init_flask_migrate_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from flask import Flask\nfrom flask_migrate import Migrate\n"
        "from flask_sqlalchemy import SQLAlchemy\n"
        "app = Flask(__name__)\n"
        "app.config['SQLALCHEMY_DATABASE_URI'] = 'postgresql://nobody@localhost/nowhere'\n"
        "db = SQLAlchemy(app)\nMigrate(app, db)\n"
        "class User(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    )
    (tmp_path / "requirements.txt").write_text("flask-migrate\n")
    templates = Path(flask_migrate.__file__).parent / "templates" / "flask"
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    for name in ("alembic.ini.mako", "env.py", "script.py.mako"):
        text = (templates / name).read_text()
        (tmp_path / "migrations" / name.replace("ini.mako", "ini")).write_text(text)
    env = {"DATABASE_URL": "postgresql://nobody@localhost/nowhere"}
    done = init(tmp_path, **env)
    assert done.json["found"]["alembic"] | {"driver": None} == {
        "config": "migrations/alembic.ini",
        "scripts": "migrations",
        "revisions": 0,
        "heads": [],
        "env_style": "Flask-Migrate",
        "driver": None,
        "driver_installed": None,
    }
    assert done.json["found"]["models"] == {"source": "migrations/env.py", "tables": 1}
    assert set(actions(done)) == {"seeds.py", "pyproject.toml"}
    assert (tmp_path / "pyproject.toml").read_text() == '[tool.dbctl.seeds]\ndev = "seeds"\n'
