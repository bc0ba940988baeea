"""`dbctl init` in folders without an Alembic configuration."""

import tomllib
from pathlib import Path

import jsonschema
import pytest

from dbctl.init.results import Init
from tests.support.cli import Finished, invoke, run_dbctl
from tests.support.folders import small_disk

# Nothing here starts a server, or was started by `uv run`.
NO_SERVER = {"DB_PG_BINDIR": "/nonexistent", "UV_RUN_RECURSION_DEPTH": ""}


def init(folder: Path, *arguments: str, **env: str) -> Finished:
    """Run `dbctl init` in a folder; its JSON has to fit the schema."""
    done = invoke("init", *arguments, "--json", env=NO_SERVER | env, cwd=folder)
    if done.exit_code == 0:
        jsonschema.validate(done.json, Init.model_json_schema(mode="serialization"))
    return done


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def actions(done: Finished) -> dict[str, str]:
    """Return what became of each file."""
    assert done.exit_code == 0, done
    return {file["path"]: file["action"] for file in done.json["files"]}


def settings_in(folder: Path) -> dict[str, object]:
    """Return `[tool.dbctl]`."""
    table: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]
    found = table["dbctl"]
    assert isinstance(found, dict)
    return found


def test_init_empty_folder_writes_a_project_and_a_second_run_nothing(tmp_path: Path) -> None:
    before = init(tmp_path, "--dry-run")
    assert snapshot(tmp_path) == {}
    done = init(tmp_path)
    assert actions(done) == actions(before)
    assert all(
        f"+++ b/{file['path']}\n" in file["diff"]
        for file in before.json["files"]
        if file["path"] not in {"app/__init__.py", "alembic/versions/.gitkeep"}
    )
    assert set(actions(done)) == {
        *("alembic.ini", "alembic/env.py", "alembic/script.py.mako", "alembic/versions/.gitkeep"),
        *(".env.example", "app/__init__.py", "app/models.py", "app/seeds.py", "pyproject.toml"),
    }
    assert (done.json["kind"], done.json["changed"]) == ("new", True)
    assert settings_in(tmp_path) == {"models": "app.models", "seeds": {"dev": "app.seeds"}}
    written = snapshot(tmp_path)
    again = init(tmp_path)
    assert (again.json["kind"], again.json["changed"], again.json["files"]) == (
        "existing",
        False,
        [],
    )
    assert again.json["found"]["alembic"]["env_style"] == "asks dbctl"
    assert snapshot(tmp_path) == written
    assert "Nothing to do" in invoke("init", env=NO_SERVER, cwd=tmp_path).stdout


def test_init_without_example_leads_to_a_first_revision(tmp_path: Path, empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    steps = [step["command"] for step in init(tmp_path, **env).json["next"]]
    assert steps[-6:-3] == ["dbctl migrate new 'first tables'", "dbctl migrate up", None]
    again = run_dbctl("init", "--json", env=env, cwd=tmp_path)
    assert again.json["found"]["models"] == {"source": "app.models", "tables": 0}
    early = invoke("migrate", "up", env=env, cwd=tmp_path)
    assert early.exit_code == 1
    assert "dbctl migrate new MESSAGE" in early.stderr
    assert invoke("migrate", "new", "first tables", env=env, cwd=tmp_path).exit_code == 0
    for arguments in (["migrate", "up"], ["seed", "--dev"]):
        done = run_dbctl(*arguments, env=env, cwd=tmp_path)
        assert done.exit_code == 0, done
    # Nothing but the models is lacking, which is a fault where they are asked for.
    check = run_dbctl("migrate", "check", "--json", env=env, cwd=tmp_path)
    assert (check.exit_code, check.json["error"]["code"]) == (2, "models_import")


def test_init_example_is_ready_and_its_own(tmp_path: Path, empty_url: str) -> None:
    env = {"DATABASE_URL": empty_url}
    assert init(tmp_path, "--example").exit_code == 0
    sources = "".join(path.read_text() for path in tmp_path.rglob("app/**/*.py"))
    assert "dbctl.models" not in sources
    assert "from app.models.base import" in sources
    for arguments in (["migrate", "up"], ["seed", "--dev"]):
        done = run_dbctl(*arguments, env=env, cwd=tmp_path)
        assert done.exit_code == 0, done


def test_init_example_beside_something_of_the_user_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("class Hero(SQLModel, table=True):\n    pass\n")
    before = snapshot(tmp_path)
    done = init(tmp_path, "--example")
    assert (done.exit_code, done.json["error"]["code"]) == (2, "usage")
    assert "it has models, in main" in done.json["error"]["message"]
    assert snapshot(tmp_path) == before
    init(tmp_path)
    assert "Alembic configuration" in init(tmp_path, "--example").json["error"]["message"]


@pytest.mark.parametrize(
    ("files", "models", "seeds"),
    [
        ({"main.py": "class Hero(SQLModel, table=True): ..."}, "main", "seeds"),
        ({"app.py": "app = Flask(__name__)"}, "models", "seeds"),
        (
            {"shop/__init__.py": "", "shop/db.py": "class T(Base):\n    __tablename__ = 't'"},
            "shop.db",
            "shop.seeds",
        ),
        (
            {
                "src/not_imported/__init__.py": "",
                "src/not_imported/models/__init__.py": "from .a import A\nfrom .b import B",
                "src/not_imported/models/a.py": "class A(db.Model): ...",
                "src/not_imported/models/b.py": "class B(db.Model): ...",
                "tests/models.py": "class X(SQLModel, table=True): ...",
                ".venv/pyvenv.cfg": "",
            },
            "not_imported.models",
            "not_imported.seeds",
        ),
        (
            {
                "shop/__init__.py": "",
                "shop/a.py": "class A(SQLModel, table=True): ...",
                "shop/b.py": "class B(SQLModel, table=True): ...",
                "shop/broken.py": "class C(SQLModel, table=True: ...",
                "shop/note.py": "# table=True\nclass D(Base):\n    __abstract__ = True\n"
                "    __tablename__ = 'd'",
            },
            "shop.a,shop.b",
            "shop.seeds",
        ),
        ({"app/routes.py": "router = 1"}, "app.models", "app.seeds"),
    ],
    ids=["module", "app.py", "package", "src", "several", "namespace"],
)
def test_init_project_without_alembic_uses_the_models_that_are_there(
    tmp_path: Path, files: dict[str, str], models: str, seeds: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = init(tmp_path)
    assert done.exit_code == 0, done
    assert settings_in(tmp_path) == {"models": models, "seeds": {"dev": seeds}}
    for name, text in files.items():
        assert (tmp_path / name).read_text() == text
    installs = "pip install -e ." in [step["command"] for step in done.json["next"]]
    assert installs == ("src/not_imported/__init__.py" in files)
    package = tmp_path / "src" if "src/not_imported/__init__.py" in files else tmp_path
    assert package.joinpath(*seeds.split(".")).with_suffix(".py").is_file()


def test_init_file_in_the_way_is_left_and_said(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text("MINE=1\n")
    (tmp_path / "alembic").write_text("a file of that name\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "seeds.py").write_text("print('not a seed set')\n")
    (tmp_path / "app" / "models.py").symlink_to(tmp_path / "elsewhere.py")
    before = snapshot(tmp_path)
    done = init(tmp_path)
    left = {
        file["path"]: file["detail"] for file in done.json["files"] if file["action"] == "leave"
    }
    assert left == {
        "alembic/env.py": "alembic is there, and is not a folder",
        "alembic/script.py.mako": "alembic is there, and is not a folder",
        "alembic/versions/.gitkeep": "alembic is there, and is not a folder",
        ".env.example": "it is there already",
        "app/models.py": "it is there already",
        "app/seeds.py": "it is there, and has no `async def seed(session)`: no seed set is named",
    }
    assert before.items() <= snapshot(tmp_path).items()
    assert not (tmp_path / "elsewhere.py").exists()
    assert settings_in(tmp_path) == {"models": "app.models"}


def test_init_pyproject_keeps_its_text(tmp_path: Path) -> None:
    text = "# mine\r\n[project]\r\nname = 'shop'   # it\r\n\r\n[tool.dbctl]  # here\r\nactor = 'me'"
    (tmp_path / "pyproject.toml").write_bytes(text.encode())
    diff = next(
        file["diff"]
        for file in init(tmp_path, "--dry-run").json["files"]
        if file["path"] == "pyproject.toml"
    )
    assert diff.splitlines().count("\\ No newline at end of file") == 1
    assert actions(init(tmp_path))["pyproject.toml"] == "extend"
    assert (tmp_path / "pyproject.toml").read_bytes().decode() == (
        text.replace("# here\r\n", '# here\r\nmodels = "app.models"\r\n')
        + '\r\n\r\n[tool.dbctl.seeds]\r\ndev = "app.seeds"\r\n'
    )


@pytest.mark.parametrize(
    "text", ["tool = {dbctl = {actor = 'me'}}", "[tool]\ndbctl.actor = 'me'\n", "[[tool.dbctl]]"]
)
def test_init_pyproject_in_another_form_is_refused_before_anything_is_written(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    done = init(tmp_path)
    assert (done.exit_code, done.json["error"]["code"]) == (2, "configuration")
    assert snapshot(tmp_path) == {"pyproject.toml": text.encode()}


def test_init_empty_folder_below_a_project_is_a_project_of_its_own(tmp_path: Path) -> None:
    above = "[tool.dbctl]\nmodels = 'above.models'\n"
    (tmp_path / "pyproject.toml").write_text(above)
    inner = tmp_path / "inner"
    inner.mkdir()
    assert init(inner).json["project"] == str(inner)
    assert settings_in(inner)["models"] == "app.models"
    assert (tmp_path / "pyproject.toml").read_text() == above
    used = tmp_path / "used"
    used.mkdir()
    (used / "notes.txt").touch()
    assert init(used, "--dry-run").json["project"] == str(tmp_path)


def test_init_full_or_read_only_disk_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    with small_disk(folder, "64k") as remount:
        (folder / "filler").write_bytes(bytes(40 << 10))
        full = init(folder, "--example")
        assert (full.exit_code, full.json["error"]["code"]) == (4, "operation_failed")
        assert "No space left on device" in full.json["error"]["message"]
        assert full.json["error"]["hint"].startswith("Nothing of it was left; ")
        assert set(snapshot(folder)) == {"filler"}
        remount("ro")
        closed = init(folder)
        assert (closed.exit_code, closed.json["error"]["code"]) == (2, "usage")
        assert "Read-only file system" in closed.json["error"]["message"]
        assert set(snapshot(folder)) == {"filler"}


def test_init_without_postgresql_says_what_to_install(tmp_path: Path) -> None:
    found = init(tmp_path).json
    (fault,) = found["found"]["unreadable"]
    assert (fault["part"], "/nonexistent" in fault["reason"]) == ("programs", True)
    assert found["next"][0]["purpose"] == fault["hint"]
    assert "DB_PG_BINDIR" in fault["hint"]


def test_commands_in_an_empty_folder_name_init(tmp_path: Path) -> None:
    for arguments in (["migrate", "status"], ["seed", "--dev"], ["--help"]):
        done = invoke(*arguments, env=NO_SERVER, cwd=tmp_path)
        assert "`dbctl init`" in done.stdout + done.stderr, arguments
