"""A stock application of Flask-Migrate, as `flask db init` leaves it."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import current_app

from dbctl.migrate.run.flask_app import application_context
from tests.support.cli import environment, run_dbctl
from tests.support.databases import fetch

APPLICATION = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(128), nullable=False)


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite://")
    db.init_app(app)
    Migrate(app, db)
    return app
"""
REVISION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "r1", None, None, None


def upgrade():
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
    )


def downgrade():
    op.drop_table("user")
"""


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an application after `flask db init`, with one revision."""
    root = tmp_path_factory.mktemp("flask")
    (root / "app.py").write_text(APPLICATION)
    subprocess.run(
        [sys.executable, "-m", "flask", "db", "init"],
        cwd=root,
        env=environment(),
        check=True,
        capture_output=True,
    )
    (root / "migrations" / "versions" / "r1.py").write_text(REVISION)
    return root


@pytest.mark.parametrize("variable", [None, "app:create_app"])
def test_flask_migrate_application_is_migrated_as_it_is(
    stock: Path, tcp_url: str, variable: str | None
) -> None:
    env = {"DATABASE_URL": tcp_url} | ({"FLASK_APP": variable} if variable else {})

    def dbctl(*arguments: str) -> dict[str, object]:
        done = run_dbctl("migrate", *arguments, "--json", env=env, cwd=stock)
        document: dict[str, object] = done.json
        assert "error" not in document, done
        return document

    assert dbctl("status")["state"] == "empty"
    assert 'CREATE TABLE "user"' in str(dbctl("plan"))
    assert dbctl("up")["after"] == ["r1"]
    assert dbctl("status")["state"] == "current"
    assert dbctl("check")["differences"] == []
    assert dbctl("down", "--yes")["after"] == []
    assert fetch(tcp_url, "select tablename from pg_tables where tablename = 'user'") == []


@pytest.mark.parametrize(
    ("application", "message"),
    [
        ("gone", "needs the Flask application gone, which Flask cannot load"),
        (
            "lite:create_app",
            "env.py connects to a database of sqlite",
        ),
    ],
)
def test_flask_application_that_cannot_be_used_is_named(
    stock: Path, tcp_url: str, application: str, message: str
) -> None:
    (stock / "lite.py").write_text(APPLICATION.replace('"DATABASE_URL"', '"LITE_URL"'))
    env = {"DATABASE_URL": tcp_url, "FLASK_APP": application}
    done = run_dbctl("-v", "migrate", "status", "--json", env=env, cwd=stock)
    assert done.exit_code == 2, done
    assert message in done.json["error"]["message"], done
    assert "Traceback" not in done.stderr


def test_flask_application_of_the_settings_is_used(stock: Path, tcp_url: str) -> None:
    (stock / "pyproject.toml").write_text("[tool.dbctl]\napp = 'app:nothing'\n")
    try:
        done = run_dbctl("migrate", "status", "--json", env={"DATABASE_URL": tcp_url}, cwd=stock)
    finally:
        (stock / "pyproject.toml").unlink()
    assert "Flask application app:nothing" in done.json["error"]["message"], done


def test_config_check_flask_application_has_no_obstacle_or_names_what_flask_says(
    stock: Path, tcp_url: str
) -> None:
    done = run_dbctl("config", "--check", "--json", env={"DATABASE_URL": tcp_url}, cwd=stock)
    assert done.exit_code == 0, done
    assert {each["verdict"] for each in done.json["checked"]} == {"ok"}, done
    env = {"DATABASE_URL": tcp_url, "FLASK_APP": "gone"}
    done = run_dbctl("config", "--check", "--json", env=env, cwd=stock)
    (obstacle,) = [each for each in done.json["checked"] if each["verdict"] == "obstacle"]
    assert (done.exit_code, obstacle["code"]) == (1, "env_failed"), done
    assert "needs the Flask application gone" in obstacle["message"]
    assert "FLASK_APP" in obstacle["remedy"]


def test_flask_application_made_at_import_gets_the_database_of_each_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env.py").write_text("from flask import current_app\n")
    (tmp_path / "shop_at_import.py").write_text(
        "import os\nfrom flask import Flask\n"
        "app = Flask(__name__)\napp.config['URL'] = os.environ.get('DATABASE_URL')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    checkout = SimpleNamespace(
        env_py=tmp_path / "env.py",
        env_label="env.py",
        folder=tmp_path,
        settings=SimpleNamespace(app="shop_at_import:app"),
    )
    applications = []
    for url in (None, None, "postgresql://localhost/shop"):
        if url is not None:
            monkeypatch.setenv("DATABASE_URL", url)
        with application_context(checkout):  # type: ignore[arg-type]
            assert current_app.config["URL"] == url
            applications.append(current_app._get_current_object())  # type: ignore[attr-defined]
    assert applications[0] is applications[1]
