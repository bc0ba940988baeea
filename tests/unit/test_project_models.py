"""Where models come from: DBCTL_MODELS in each of its forms, and env.py."""

import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from dbctl.errors import ConfigurationError, DbctlError, ErrorCode, ExitCode
from dbctl.migrate.project_models import (
    NoModels,
    ProjectModels,
    imported_models,
    optional_models,
    project_models,
)
from dbctl.settings import load_settings

type Load = Callable[[str], ProjectModels]

TABLE = "Table('{}', metadata, Column('id', Integer, primary_key=True))\n"
CORE = "from sqlalchemy import Column, Integer, MetaData, Table\nmetadata = MetaData()\n"
DECLARATIVE = """
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase):
    metadata = MetaData()
class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
CLASSIC = """
from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base
Base = declarative_base()
class Team(Base):
    __tablename__ = "team"
    id = Column(Integer, primary_key=True)
"""
# What Flask-SQLAlchemy's object is to its users: a registry of models with a `metadata`.
FLASK = f"""
{CLASSIC}
class SQLAlchemy:
    Model = Base
    metadata = Base.metadata
db = SQLAlchemy()
del Base, Team
"""
SQLMODEL = """
from sqlmodel import Field, SQLModel
class {name}(SQLModel, table=True):
    __tablename__ = "{table}"
    id: int = Field(primary_key=True)
"""
GENERIC_ENV = resources.files("alembic") / "templates" / "generic" / "env.py"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project whose modules are forgotten again."""
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def load(project: Path) -> Load:
    """Load the models that a value of DBCTL_MODELS names."""
    return lambda value: project_models(load_settings({"models": value}, start=project))


def names(models: ProjectModels) -> list[str]:
    """Return the tables by name."""
    return sorted(table.name for table in models.tables)


def write(project: Path, **modules: str) -> None:
    """Write modules by name."""
    for name, text in modules.items():
        (project / f"{name}.py").write_text(text)


def with_env(project: Path, target: str, *, line: str = "") -> None:
    """Write what `alembic init` writes, with `target` as target_metadata."""
    (project / "alembic" / "versions").mkdir(parents=True, exist_ok=True)
    ini = "[alembic]\nscript_location = %(here)s/alembic\nsqlalchemy.url = driver://u@h/d\n"
    (project / "alembic.ini").write_text(f"{ini}[loggers]\nkeys = root\n")
    text = GENERIC_ENV.read_text().replace("target_metadata = None", f"target_metadata = {target}")
    (project / "alembic" / "env.py").write_text(f"{line}\n{text}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (CORE + TABLE.format("team"), "things"),
        (CORE + TABLE.format("team"), "things:metadata"),
        (CORE + TABLE.format("team") + "both = [metadata, MetaData()]", "things:both"),
        (CORE + TABLE.format("team") + "metadata = [metadata]", "things"),
        (DECLARATIVE, "things"),
        (DECLARATIVE, "things:Base"),
        (DECLARATIVE, "things:Base.metadata"),
        (DECLARATIVE + "Model = Base\ndel Base\n", "things"),
        (DECLARATIVE + "metadata = MetaData()", "things"),
        (CLASSIC, "things"),
        (CLASSIC, "things:Base"),
        (FLASK, "things"),
        (FLASK, "things:db"),
        (FLASK, "things:db.Model"),
        (FLASK, "things:db.metadata"),
    ],
)
def test_models_of_each_kind_are_found(project: Path, load: Load, text: str, value: str) -> None:
    write(project, things=text)
    found = load(value)
    assert (names(found), found.source) == (["team"], value)


def test_sqlmodel_is_found_by_the_classes_and_by_what_the_module_imports(
    project: Path, load: Load
) -> None:
    write(
        project,
        sqm_one=SQLMODEL.format(name="SqmOne", table="sqm_one"),
        sqm_all="import sqm_one\n",
        sqm_base="from sqlmodel import SQLModel\nimport sqm_one\n",
    )
    for value in ("sqm_one", "sqm_all", "sqm_base", "sqm_base:SQLModel", "sqm_one:SqmOne"):
        assert "sqm_one" in names(load(value)), value


def test_a_declarative_base_comes_before_what_other_modules_put_into_sqlmodel(
    project: Path, load: Load
) -> None:
    write(project, other=SQLMODEL.format(name="Other", table="sqm_other"), things=DECLARATIVE)
    load("other")
    assert names(load("things")) == ["team"]


def test_several_are_taken_each_once(project: Path, load: Load) -> None:
    write(project, one=CORE + TABLE.format("one"), two=DECLARATIVE)
    found = load("one , two:Base,one:metadata")
    assert (names(found), len(found.metadata)) == (["one", "team"], 2)
    assert isinstance(found.target, list)
    assert not isinstance(load("one").target, list)


def test_two_tables_of_one_name_are_refused(project: Path, load: Load) -> None:
    write(project, one=CORE + TABLE.format("team"), two=DECLARATIVE)
    with pytest.raises(ConfigurationError, match="two MetaData of one,two have a table team"):
        load("one,two")


@pytest.mark.parametrize(
    ("text", "value", "message", "hint"),
    [
        ("", "nothing", "importing nothing failed: ModuleNotFoundError", "as Python would"),
        ("raise SystemExit('stop')", "things", "importing things failed: SystemExit: stop", ""),
        (DECLARATIVE, "things:Bse", "things has no Bse: AttributeError", "There are Base and Team"),
        (DECLARATIVE, "things:Base.meta", "things has no Base.meta", "Name a MetaData"),
        ("name = 'x'", "things:name", "things:name is of the type str", "Flask-SQLAlchemy"),
        (CORE, "things:metadata", "things:metadata was imported, and has no table", "every model"),
    ],
)
def test_an_error_names_what_was_looked_at(
    project: Path, load: Load, text: str, value: str, message: str, hint: str
) -> None:
    write(project, things=text)
    with pytest.raises(ConfigurationError) as raised:
        load(value)
    error = raised.value
    assert (error.code, error.exit_code) == (ErrorCode.MODELS_IMPORT, ExitCode.USAGE)
    assert error.message.startswith(f"DBCTL_MODELS={value}: {message}")
    assert hint in (error.hint or "")


def test_a_module_without_tables_names_what_was_searched_and_found(
    project: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sqlmodel", None)  # other tests fill its MetaData
    write(project, things=CORE, empty="")
    searched = "searched it for metadata, Base, db.metadata, a mapped class and SQLModel.metadata"
    with pytest.raises(ConfigurationError, match=f"{searched}, found metadata without a table"):
        load("things")
    with pytest.raises(ConfigurationError, match=f"{searched}, found none of them"):
        load("empty")


@pytest.mark.parametrize("value", ["a b", "a:", ":b", "a,", "a:b:c", "a-b", "1a"])
def test_what_is_not_a_name_is_refused(load: Load, value: str) -> None:
    with pytest.raises(ConfigurationError, match="should be module or module:name"):
        load(value)


def test_env_py_gives_its_target_metadata_without_a_database(project: Path) -> None:
    write(project, things=DECLARATIVE, more=CORE + TABLE.format("more"))
    with_env(project, "things.Base.metadata", line="import things")
    found = project_models(load_settings(start=project))
    assert (names(found), found.source) == (["team"], "alembic/env.py")
    with_env(project, "[things.Base.metadata, more.metadata]", line="import things, more")
    assert names(project_models(load_settings(start=project))) == ["more", "team"]


def test_dbctl_models_overrides_env_py(project: Path, load: Load) -> None:
    write(project, things=DECLARATIVE, more=CORE + TABLE.format("more"))
    with_env(project, "things.Base.metadata", line="import things")
    assert names(load("more")) == ["more"]


@pytest.mark.parametrize(
    ("target", "reason"), [("None", "is None"), ("sqlalchemy.MetaData()", "has no table")]
)
def test_an_env_py_without_models_is_named(project: Path, target: str, reason: str) -> None:
    with_env(project, target, line="import sqlalchemy")
    settings = load_settings(start=project)
    with pytest.raises(NoModels, match=f"target_metadata of alembic/env.py {reason}") as raised:
        project_models(settings)
    assert raised.value.code is ErrorCode.MODELS_IMPORT
    assert optional_models(settings, pytest.fail) is None


def test_an_env_py_that_fails_is_one_line_where_models_are_optional(project: Path) -> None:
    with_env(project, "None", line="raise RuntimeError('not today\\nnor tomorrow')")
    settings = load_settings(start=project)
    with pytest.raises(DbctlError, match="not today") as raised:
        project_models(settings)
    assert (raised.value.code, raised.value.exit_code) == (ErrorCode.MODELS_IMPORT, ExitCode.USAGE)
    told: list[str] = []
    assert optional_models(settings, told.append) is None
    (line,) = told
    assert line.startswith("the project's models are left out: ")
    assert "\n" not in line


def test_a_folder_without_anything_has_no_models_and_no_notice(project: Path) -> None:
    settings = load_settings(start=project)
    with pytest.raises(NoModels, match="there is no Alembic configuration"):
        project_models(settings)
    assert optional_models(settings, pytest.fail) is None


def test_the_example_s_models_are_used_only_where_they_are_asked_for(project: Path) -> None:
    write(project, things=DECLARATIVE)
    (project / "pyproject.toml").write_text("[tool.dbctl]\nexample = true\n")
    found = project_models(load_settings(start=project))
    assert (found.source, {"tasks", "users"} <= {*names(found)}) == ("dbctl.models", True)
    # With an Alembic configuration of the project's, too.
    with_env(project, "things.Base.metadata", line="import things")
    assert project_models(load_settings(start=project)).source == "dbctl.models"
    named = load_settings({"models": "things"}, start=project)
    assert (named.uses_example, project_models(named).source) == (False, "things")


def test_an_env_py_that_asks_dbctl_for_models_is_not_asked_itself(project: Path) -> None:
    with pytest.raises(NoModels, match="DBCTL_MODELS is not set"):
        imported_models(load_settings(start=project))
