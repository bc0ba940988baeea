"""What inspect hides: by the models' marks, by configuration, by name; and how it is revealed."""

import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbctl.errors import ConfigurationError, DbctlError, ErrorCode, RefusedError
from dbctl.inspect.masking import Masks, masks_of
from dbctl.settings import load_settings
from tests.support.cli import Finished, invoke
from tests.support.databases import execute

MODELS = """
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

print("imported")

class Base(SQLModel, registry=registry()):
    pass

metadata = Base.metadata

class Person(Base, table=True):
    __tablename__ = "people"
    id: int | None = Field(default=None, primary_key=True)
    born: str = Field(sa_column_kwargs={"info": {"pii": True}})
    shoe: str = Field(sa_column_kwargs={"info": {"pii": False}})

class Diagnosis(Base, table=True):
    __table_args__ = {"schema": "clinic", "info": {"pii": True}}
    id: int | None = Field(default=None, primary_key=True)
    text: str
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with models of its own, and a cache of its own."""
    root = tmp_path / "project"
    (root / "clinic").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.dbctl]\nmodels = "clinic.models"\n')
    (root / "clinic" / "__init__.py").touch()
    (root / "clinic" / "models.py").write_text(MODELS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sys.path", list(sys.path))
    yield root
    forget()


def forget() -> None:
    """Have the models imported anew, as in another process."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "clinic"]:
        del sys.modules[name]


def age(root: Path) -> None:
    """Make what was just written older than the run that reads it."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.mark.parametrize(
    "column",
    [
        *("password", "passwd", "pwd", "hashed_password", "passwordHash", "PASSWORD", "password2"),
        *("secret", "client_secret", "clientSecret", "token", "access_token", "authtoken"),
        *(
            "api_key",
            "apiKey",
            "APIKey",
            "api-keys",
            "private_key",
            "credentials",
            "ssn",
            "user_ssn",
        ),
        *("credit_card", "creditCardNumber", "card_number", "cvv", "iban", "otp_code", "salt"),
        *("session_id", "sessionId", "jwt", "password_reset_token", "token_hash", "totp secret"),
        *("auth_code", "authCode", "authorization_code", "verification_code", "recovery_codes"),
        *("backup_code", "session_data", "sess", "passwordhash", "passkey", "code_verifier"),
        *("reset_token_url", "password_url", "secret_uri", "token_endpoint_secret"),
    ],
)
def test_a_name_that_tells_of_a_secret_hides_its_column(column: str) -> None:
    assert Masks().reason("public", "users", column, "text")


@pytest.mark.parametrize(
    "column",
    [
        *("id", "email", "name", "secretary", "tokenizer", "token_count", "max_tokens"),
        *("password_changed_at", "passwordChangedAt", "is_secret", "has_password", "token_type"),
        *("token_expires_at", "basalt", "monkey", "key", "card_type", "session", "api_key_id"),
        *("token_url", "token_uri", "access_token_url", "token_endpoint", "otp_method"),
        *("token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "country_code", "pin"),
        *("auth_method", "authorization_endpoint", "zip_code", "session", "cookie_consent"),
        *("compass", "options", "passenger", "broken", "passwordless", "tokenized", "description"),
    ],
)
def test_a_name_that_only_sounds_like_it_hides_nothing(column: str) -> None:
    assert Masks().reason("public", "users", column) is None


@pytest.mark.parametrize(
    ("column", "type_", "hidden"),
    [
        ("token_valid", "boolean", False),
        ("password_set", "timestamp with time zone", False),
        ("tokens", "integer", False),
        ("ssn", "bigint", True),
        ("card_number", "numeric(16,0)", True),
        ("token", "bytea", True),
        ("token", "timestamps", True),
        ("session", "jsonb", True),
        ("user_session", "json", True),
        ("session", "text", False),
        ("session", "integer", False),
        ("session_count", "jsonb", False),
        ("auth_code", "integer", True),
        ("token_url", "text", False),
    ],
)
def test_the_type_clears_a_name_that_says_nothing_secret(
    column: str, type_: str, *, hidden: bool
) -> None:
    assert (Masks().reason("public", "users", column, type_) is not None) == hidden


@pytest.mark.parametrize(
    ("table", "column", "hidden"),
    [
        ("sessions", "data", True),
        ("django_session", "payload", True),
        ("UserSession", "value", True),
        ("session", "sid", True),
        ("sessions", "created_by", False),
        ("obsession", "data", False),
        ("session_types", "data", False),
        ("users", "data", False),
    ],
)
def test_a_table_of_sessions_hides_what_they_hold(table: str, column: str, *, hidden: bool) -> None:
    assert (Masks().reason("public", table, column, "text") is not None) == hidden


def test_the_models_marks_hide_a_column_or_a_whole_table(project: Path) -> None:
    masks = masks_of(load_settings(start=project))
    assert masks.reason("public", "people", "born") == "marked in the models"
    assert masks.reason("other", "people", "born") == "marked in the models"
    assert masks.reason("public", "people", "shoe") is None
    assert masks.reason("public", "people", "Born") is None
    assert masks.reason("clinic", "diagnosis", "text") == "marked in the models"
    assert masks.reason("public", "diagnosis", "text") is None


def test_the_models_are_imported_again_only_when_a_file_of_theirs_changes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def imports() -> bool:
        forget()
        masks = masks_of(load_settings(start=project))
        assert masks.reason("public", "people", "born")
        return "imported" in capsys.readouterr().out

    age(project)
    assert imports()
    assert not imports()
    (cached,) = (project.parent / "cache" / "dbctl" / "models").iterdir()
    assert stat.S_IMODE(cached.stat().st_mode) == 0o600
    cached.write_text('{"files": {"x": 1')
    assert imports()
    assert not imports()
    (project / "clinic" / "models.py").write_text(MODELS + "# more\n")
    assert imports()
    age(project)
    imports()
    assert not imports()
    (project / "clinic" / "added.py").touch()
    assert imports()


def test_a_cache_that_cannot_be_written_is_no_fault(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert masks_of(load_settings(start=project)).reason("public", "people", "born")


def test_models_that_cannot_be_imported_are_told_of_and_names_still_hide(project: Path) -> None:
    (project / "clinic" / "models.py").write_text("raise RuntimeError('no such luck')")
    told: list[str] = []
    masks = masks_of(load_settings(start=project), tell=told.append)
    (notice,) = told
    assert "RuntimeError: no such luck" in notice
    assert masks.reason("public", "people", "api_token")


def test_rows_show_nothing_that_is_hidden_whatever_the_reason(
    project: Path, empty_url: str
) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.dbctl]\nmodels = "clinic.models"\n[tool.dbctl.mask]\ncolumns = ["people.shoe"]\n'
    )
    execute(
        empty_url,
        "create table people (id int primary key, born text, shoe text, api_token text, fine text)",
        "insert into people values (1, 'by-models', 'by-file', 'by-name', 'shown')",
    )

    def rows(*arguments: str, **env: str) -> Finished:
        command = ("inspect", "rows", "people", "--format", "csv", *arguments)
        return invoke(*command, env=env | {"DATABASE_URL": empty_url}, cwd=project)

    assert rows().stdout == "id,born,shoe,api_token,fine\n1,***,***,***,shown\n"
    assert rows("--reveal").stdout.endswith("1,by-models,by-file,by-name,shown\n")
    refused = rows("--reveal", ENVIRONMENT="production")
    assert (refused.exit_code, refused.stdout) == (5, "")
    (project / "clinic" / "models.py").write_text("raise RuntimeError('no such luck')")
    forget()
    told = rows()
    assert told.stdout.endswith("1,by-models,***,***,shown\n")
    assert "no such luck" in told.stderr
    assert rows(ENVIRONMENT="production").exit_code == 5


def test_models_that_cannot_be_imported_are_refused_in_production(project: Path) -> None:
    (project / "clinic" / "models.py").write_text("raise RuntimeError('no such luck')")
    settings = load_settings({"environment": "production"}, start=project)
    with pytest.raises(RefusedError, match="no such luck") as caught:
        masks_of(settings)
    assert caught.value.code is ErrorCode.PRODUCTION_GUARD


def test_configuration_hides_columns_by_pattern_and_shows_false_alarms(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.dbctl.mask]\n"
        'columns = ["users.email", "clinic.visits.*", "*.shoe_size", \'"a.b"."C*"\']\n'
        'show = ["lexer.token", "users.email", "*.secret_santa"]\n'
    )
    masks = masks_of(load_settings(start=project))
    why = "[tool.dbctl.mask] in pyproject.toml"
    assert masks.reason("any", "Users", "EMAIL") == why
    assert masks.reason("clinic", "visits", "reason") == why
    assert masks.reason("public", "visits", "reason") is None
    assert masks.reason("public", "feet", "shoe_size") == why
    assert masks.reason("public", "a.b", "C*") == why
    assert masks.reason("public", "a.b", "Cx") is None
    assert masks.reason("public", "lexer", "token") is None
    assert masks.reason("public", "logins", "token") == "its name says token"
    assert masks.reason("public", "lists", "secret_santa") is None


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('column = ["users.email"]', "Did you mean 'columns'?"),
        ('columns = "users.email"', "columns in .* is no list"),
        ("columns = [1]", "1 is no text"),
        ('columns = ["email"]', "'email' does not name a column"),
        ('show = ["a.b.c.d"]', "'a.b.c.d' does not name a column"),
        ('show = ["a..b"]', "does not name a column"),
        ("columns = ['\"a\"x.b']", "does not name a column"),
    ],
)
def test_what_the_configuration_does_not_take_is_an_error(
    project: Path, table: str, told: str
) -> None:
    (project / "pyproject.toml").write_text(f"[tool.dbctl.mask]\n{table}\n")
    with pytest.raises(ConfigurationError) as caught:
        masks_of(load_settings(start=project))
    assert re.search(told, f"{caught.value.message} {caught.value.hint}")


@pytest.mark.parametrize(
    ("environment", "allowed", "notices"),
    [
        ("development", False, 0),
        ("staging", False, 1),
        ("production", True, 1),
    ],
)
def test_a_reveal_is_told_of_where_people_depend_on_the_database(
    project: Path, environment: str, *, allowed: bool, notices: int
) -> None:
    told: list[str] = []
    masks = masks_of(
        load_settings({"environment": environment}, start=project),
        reveal=True,
        allow_production=allowed,
        tell=told.append,
    )
    assert masks.reason("public", "people", "password") is None
    assert masks.reason("public", "people", "born") is None
    assert len(told) == notices
    assert all(environment in text for text in told)


def test_a_reveal_in_production_is_refused_unless_allowed(project: Path) -> None:
    settings = load_settings({"environment": "production"}, start=project)
    with pytest.raises(DbctlError) as caught:
        masks_of(settings, reveal=True)
    assert caught.value.code is ErrorCode.PRODUCTION_GUARD
    assert "--allow-production" in str(caught.value.hint)
