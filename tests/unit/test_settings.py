"""Where a setting comes from, and what a bad one is told."""

from pathlib import Path

import pytest

from dbctl.errors import ConfigurationError, ExitCode, UsageError
from dbctl.project import find_project
from dbctl.settings import Environment, Settings, load_settings, variable_name


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    return tmp_path


def pyproject(project: Path, lines: str) -> None:
    (project / "pyproject.toml").write_text(f"[tool.dbctl]\n{lines}\n")


def fault(project: Path, **flags: object) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as raised:
        load_settings(flags, start=project)
    assert raised.value.exit_code is ExitCode.USAGE
    return raised.value


def test_the_defaults_are_those_of_the_readme(project: Path) -> None:
    settings = load_settings(start=project)
    assert (settings.pool_size, settings.max_overflow, settings.pool_recycle) == (5, 10, 3600)
    assert (settings.connect_timeout, settings.deadline) == (15, 5)
    assert settings.environment is Environment.DEVELOPMENT
    assert (settings.models, settings.example) == (None, False)
    assert settings.database_url is None
    assert settings.source_of("pool_size") == "default"


def test_each_source_wins_over_the_weaker_ones(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    pyproject(project, "pool-size = 1")
    seen.append(load_settings(start=project))
    (project / ".env").write_text("DB_POOL_SIZE=2\n")
    seen.append(load_settings(start=project))
    monkeypatch.setenv("DB_POOL_SIZE", "3")
    seen.append(load_settings(start=project))
    seen.append(load_settings({"pool_size": 4}, start=project))
    assert [settings.pool_size for settings in seen] == [1, 2, 3, 4]
    assert [settings.source_of("pool_size") for settings in seen] == [
        "pyproject.toml",
        ".env",
        "environment",
        "flag",
    ]


def test_schema_is_a_key_of_the_project_and_no_variable_of_that_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMA", "elsewhere")
    assert load_settings(start=project).own_schema == "dbctl"
    pyproject(project, 'schema = "My ops"')
    assert load_settings(start=project).own_schema == "My ops"
    monkeypatch.setenv("DBCTL_SCHEMA", "ops")
    assert load_settings(start=project).own_schema == "ops"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pg_own", "should not be a schema of the server's own"),
        ("information_schema", "should not be a schema of the server's own"),
        ("é" * 32, "should be a name of at most 63 bytes"),
    ],
)
def test_schema_that_the_server_would_refuse_is_refused(
    project: Path, name: str, reason: str
) -> None:
    pyproject(project, f'schema = "{name}"')
    assert fault(project).message == f"DBCTL_SCHEMA from pyproject.toml: '{name}' {reason}"


def test_zero_is_a_value_and_an_empty_variable_is_none(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject(project, "max_overflow = 0")
    monkeypatch.setenv("DB_MAX_OVERFLOW", "")
    monkeypatch.setenv("DATABASE_URL", "")
    settings = load_settings({"models": None}, start=project)
    assert settings.max_overflow == 0
    assert settings.source_of("max_overflow") == "pyproject.toml"
    assert settings.database_url is None


def test_the_alias_of_vercel_names_the_direct_endpoint(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_URL_NON_POOLING", "postgresql://localhost/a")
    settings = load_settings(start=project)
    assert settings.database_url_unpooled is not None
    assert settings.source_of("database_url_unpooled") == "environment"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [("development", 5), ("test", 5), ("staging", 60), ("production", 60)],
)
def test_a_deployed_database_has_time_to_wake(
    project: Path, monkeypatch: pytest.MonkeyPatch, environment: str, seconds: float
) -> None:
    monkeypatch.setenv("ENVIRONMENT", environment)
    assert load_settings(start=project).deadline == seconds
    monkeypatch.setenv("DB_CONNECT_DEADLINE", "2.5")
    assert load_settings(start=project).deadline == 2.5


def test_every_fault_has_a_line_with_its_setting_its_source_and_its_value(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "many")
    monkeypatch.setenv("ENVIRONMENT", "produktion")
    (project / ".env").write_text("DB_CONNECT_TIMEOUT=-1\n")
    pyproject(project, "models = 'app models'")
    assert fault(project).message.splitlines() == [
        "DBCTL_MODELS from pyproject.toml: 'app models' should be module or module:name, "
        "several with commas between",
        "DB_CONNECT_TIMEOUT from .env: '-1' should be greater than 0",
        "DB_POOL_SIZE from environment: 'many' should be a valid integer",
        "ENVIRONMENT from environment: 'produktion' should be 'development', 'test', 'staging' or "
        "'production'",
    ]


def test_a_secret_of_the_wrong_type_is_not_shown(project: Path) -> None:
    pyproject(project, "database_url = 4711")
    message = fault(project).message
    assert "DATABASE_URL from pyproject.toml" in message
    assert "4711" not in message


def test_an_unknown_key_is_told_with_the_nearest_one(project: Path) -> None:
    pyproject(project, "pool_sise = 5")
    error = fault(project)
    assert "'pool_sise'" in error.message
    assert error.hint == "Did you mean 'pool_size'?"
    pyproject(project, "colour = 5")
    assert "README" in (fault(project).hint or "")


def test_a_key_may_bear_the_name_of_the_variable(project: Path) -> None:
    pyproject(project, "DB_POOL_SIZE = 7\nPostgres-URL-Non-Pooling = 'postgresql://h/d'")
    settings = load_settings(start=project)
    assert settings.pool_size == 7
    assert settings.database_url_unpooled is not None


def test_a_field_name_is_no_variable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODELS", "pool_size", "example"):
        monkeypatch.setenv(name, "9")
    (project / ".env").write_text("CONNECT_TIMEOUT=1\nmax_overflow=1\nexample=true\n")
    settings = load_settings(start=project)
    assert settings == load_settings(start=project / "nowhere")
    assert (settings.models, settings.example) == (None, False)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("pool-size = 1\npool_size = 2", "pool_size is set twice"),
        ("example = 'yes'", "example from pyproject.toml: 'yes' should be true or false"),
        ("example = 1", "example from pyproject.toml: '1' should be true or false"),
        ("pool_size = true", "DB_POOL_SIZE from pyproject.toml: 'True' should not be true or"),
        ("connect_timeout = inf", "DB_CONNECT_TIMEOUT from pyproject.toml: 'inf' should be a fini"),
        ("connect_deadline = nan", "DB_CONNECT_DEADLINE from pyproject.toml: 'nan' should be a"),
    ],
)
def test_a_value_that_toml_allows_and_no_setting_takes_is_a_fault(
    project: Path, lines: str, message: str
) -> None:
    pyproject(project, lines)
    assert fault(project).message.startswith(message)


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\ndbctl = 3", "[tool]\ndbctl = [1]"])
def test_a_table_that_is_none_is_a_fault(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text)
    path = project / "pyproject.toml"
    assert fault(project).message == f"cannot read {path}: [tool.dbctl] is not a table"


def test_a_dotenv_that_is_a_folder_is_told(project: Path) -> None:
    (project / ".env").mkdir()
    assert fault(project).message == f"cannot read {project / '.env'}: it is a folder"


def test_a_working_directory_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="no longer exists"):
        load_settings()


NAMED = """
[tool.dbctl.databases]
local = "postgresql://localhost/shop"
staging = { url = "env:STAGING_URL", environment = "staging" }
live = { url = "env:LIVE_URL", url_unpooled = "env:LIVE_DIRECT", environment = "production" }
"""


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


@pytest.mark.parametrize("source", ["flag", "environment", ".env", "pyproject.toml"])
def test_database_picked_by_its_name_holds_from_every_source(
    project: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    pyproject(project, f"database = 'staging'\n{NAMED}" if source == "pyproject.toml" else NAMED)
    (project / ".env").write_text(
        "STAGING_URL=postgresql://s/shop\nDATABASE_URL_UNPOOLED=postgresql://other/shop\n"
        + ("DBCTL_DATABASE=staging\n" if source == ".env" else "")
        if source != "pyproject.toml"
        else "STAGING_URL=postgresql://s/shop\n"
    )
    if source == "environment":
        monkeypatch.setenv("DBCTL_DATABASE", "staging")
        monkeypatch.setenv("DATABASE_URL", "postgresql://other/shop")
        monkeypatch.setenv("ENVIRONMENT", "development")
    settings = load_settings({"database": "staging"} if source == "flag" else {}, start=project)
    assert url_of(settings) == "postgresql://s/shop"
    assert settings.database_url_unpooled is None
    assert (settings.database, settings.environment) == ("staging", Environment.STAGING)
    assert settings.source_of("database_url") == "databases.staging in pyproject.toml"


def test_database_picked_by_its_name_brings_its_direct_connection_string(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject(project, NAMED)
    monkeypatch.setenv("LIVE_URL", "postgresql://pooled/shop")
    monkeypatch.setenv("LIVE_DIRECT", "postgresql://direct/shop")
    flags = {"database": "live", "environment": "staging"}
    settings = load_settings(flags, start=project)
    assert url_of(settings) == "postgresql://pooled/shop"
    assert settings.database_url_unpooled is not None
    assert settings.database_url_unpooled.get_secret_value() == "postgresql://direct/shop"
    assert settings.environment is Environment.STAGING


def test_database_name_weaker_than_a_connection_string_is_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject(project, f"database = 'staging'\n{NAMED}")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ci/shop")
    settings = load_settings(start=project)
    assert (url_of(settings), settings.database) == ("postgresql://ci/shop", None)
    assert settings.environment is Environment.DEVELOPMENT


@pytest.mark.parametrize("stronger", ["flag", "environment"])
def test_direct_connection_string_of_a_weaker_source_is_not_used(
    project: Path, monkeypatch: pytest.MonkeyPatch, stronger: str
) -> None:
    (project / ".env").write_text("DATABASE_URL_UNPOOLED=postgresql://other/shop\n")
    flags = {"database_url": "postgresql://ours/shop"} if stronger == "flag" else {}
    if stronger == "environment":
        monkeypatch.setenv("DATABASE_URL", "postgresql://ours/shop")
    assert load_settings(flags, start=project).database_url_unpooled is None


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("stagin", "there is no database 'stagin' in [tool.dbctl.databases]", "'staging'"),
        ("staging", "STAGING_URL, which staging in [tool.dbctl.databases]", "Set it in"),
        ("empty", "empty in [tool.dbctl.databases]", "env:EMPTY_URL"),
        ("number", "number in [tool.dbctl.databases]", "env:NUMBER_URL"),
        ("extra", "unknown key 'pool' of extra", "url, url_unpooled, environment"),
    ],
)
def test_database_that_cannot_be_picked_is_named(
    project: Path, name: str, message: str, hint: str
) -> None:
    pyproject(project, NAMED + "empty = {}\nnumber = 3\nextra = { url = 'x', pool = 'y' }")
    found = fault(project, database=name)
    assert found.message.startswith(message)
    assert hint in str(found.hint)


def test_environment_of_a_named_database_that_is_unknown_is_a_fault(project: Path) -> None:
    pyproject(project, "[tool.dbctl.databases]\nx = { url = 'postgresql:///x', environment = 'y' }")
    assert "ENVIRONMENT from databases.x in pyproject.toml" in fault(project, database="x").message


def test_two_flags_that_name_a_database_are_refused(project: Path) -> None:
    pyproject(project, NAMED)
    with pytest.raises(UsageError, match="--database and --database-url"):
        load_settings({"database": "local", "database_url": "postgresql:///x"}, start=project)


def test_env_file_is_read_in_place_of_dotenv(project: Path, tmp_path: Path) -> None:
    pyproject(project, NAMED)
    (project / ".env").write_text("DB_POOL_SIZE=2\nDB_MAX_OVERFLOW=3\n")
    other = tmp_path / ".env.staging"
    other.write_text("DB_POOL_SIZE=7\nDBCTL_DATABASE=staging\nSTAGING_URL=postgresql://s/shop\n")
    settings = load_settings(start=project, env_file=other)
    assert (settings.pool_size, settings.max_overflow) == (7, 10)
    assert settings.source_of("pool_size") == ".env.staging"
    assert url_of(settings) == "postgresql://s/shop"


def test_env_file_that_does_not_exist_is_a_fault(project: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        load_settings(start=project, env_file=project / ".env.gone")


def test_tables_of_the_groups_are_not_keys(project: Path) -> None:
    pyproject(project, "[tool.dbctl.seeds]\ndev = 'app.seeds:dev'")
    assert load_settings(start=project).pool_size == 5


@pytest.mark.parametrize("text", ["[tool.dbctl\n", "pool = '\xff'"])
def test_a_file_that_cannot_be_read_is_named(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_bytes(text.encode("latin-1"))
    assert f"cannot read {project / 'pyproject.toml'}" in fault(project).message


def test_settings_cannot_be_changed(project: Path) -> None:
    settings = load_settings(start=project)
    with pytest.raises(ValueError, match="frozen"):
        settings.pool_size = 6  # type: ignore[misc]


def test_the_project_is_the_nearest_folder_with_a_marker(project: Path) -> None:
    deep = project / "src" / "shop"
    deep.mkdir(parents=True)
    assert find_project(deep) == project.resolve()
    (project / "src" / "alembic.ini").touch()
    assert find_project(deep) == (project / "src").resolve()
    assert load_settings(start=deep).project == (project / "src").resolve()


def test_every_setting_stands_in_the_readme_and_the_example() -> None:
    root = Path(__file__).parents[2]
    for text in ((root / "README.md").read_text(), (root / ".env.example").read_text()):
        for field in Settings.model_fields:
            assert variable_name(field) in text


def test_settings_read_in_spite_of_faults_keep_each_with_its_source(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "many")
    pyproject(project, "colour = 1\nmax_overflow = 3\nmodels = 'a b'")
    settings = load_settings(start=project, tolerant=True)
    assert [(fault.source, fault.error.message.partition(":")[0]) for fault in settings.faults] == [
        ("pyproject.toml", f"unknown key 'colour' in [tool.dbctl] of {project / 'pyproject.toml'}"),
        ("environment", "DB_POOL_SIZE from environment"),
        ("pyproject.toml", "DBCTL_MODELS from pyproject.toml"),
    ]
    assert (settings.pool_size, settings.max_overflow, settings.models) == (5, 3, None)
    assert not settings.is_database_uncertain


@pytest.mark.parametrize(
    ("dotenv", "lines"),
    [
        ("", f"database = 'staging'\ndatabase_url = 'postgresql://other/shop'\n{NAMED}"),
        ("\udcff", "database_url = 'postgresql://other/shop'"),
        ("", "database_url = 4711"),
        ("", "environment = 'moon'"),
    ],
)
def test_settings_of_a_database_that_cannot_be_read_take_no_weaker_one(
    project: Path, dotenv: str, lines: str
) -> None:
    pyproject(project, lines)
    (project / ".env").write_text(dotenv, errors="surrogateescape")
    settings = load_settings(start=project, tolerant=True)
    assert settings.faults
    assert settings.database_url is None
    assert settings.is_database_uncertain
    flags = {"database_url": "postgresql://mine/shop"}
    stronger = load_settings(flags, start=project, tolerant=True)
    assert url_of(stronger) == "postgresql://mine/shop"
    assert not stronger.is_database_uncertain
