"""The settings of a run: command-line flag, environment, `.env`, pyproject.toml, default."""

import difflib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from dbctl import redaction
from dbctl.errors import ConfigurationError, UsageError
from dbctl.faults import Fault, Faults, UnknownKey
from dbctl.named_databases import named_database
from dbctl.project import find_project, group_table, tool_table

# NAMEDATALEN - 1: PostgreSQL cuts a longer name.
_NAME_BYTES = 63
# The tables of [tool.dbctl], each of which a group of commands reads.
GROUP_TABLES = frozenset({"databases", "generate", "health", "inspect", "mask", "seeds"})
# Keys of [tool.dbctl] that are neither a field nor a variable.
_KEYS = {"schema": "own_schema"}
SECRETS = frozenset({"database_url", "database_url_unpooled"})
# Read from pyproject.toml alone: it belongs to a project, not to a shell or a machine.
_PROJECT_ONLY = frozenset({"example", "branch_per_git_branch"})
EXAMPLE_MODELS = "dbctl.models"
_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_MODELS = rf"{_DOTTED}(:{_DOTTED})?"
# Not used beside a connection string of a stronger source.
_OF_A_DATABASE = frozenset({"database", *SECRETS})
_README = "The README's settings table says what each one takes."


class Environment(StrEnum):
    """Where the application runs; it decides how long to wait and what is allowed."""

    DEVELOPMENT = "development"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"

    @classmethod
    def _missing_(cls, value: object) -> "Environment | None":
        """Return what the names mean that projects use for the same variable."""
        return _ENVIRONMENTS.get(value.lower()) if isinstance(value, str) else None

    @property
    def is_deployed(self) -> bool:
        """Tell whether people depend on this database."""
        return self in {Environment.STAGING, Environment.PRODUCTION}


_ENVIRONMENTS = {
    **dict.fromkeys(("local", "dev", "develop", "development"), Environment.DEVELOPMENT),
    **dict.fromkeys(("test", "testing", "ci"), Environment.TEST),
    **dict.fromkeys(("stage", "staging", "preview"), Environment.STAGING),
    **dict.fromkeys(("prod", "production", "live"), Environment.PRODUCTION),
}


class Settings(BaseSettings):
    """Everything that configures a run.

    An environment variable bears the alias of its field, a flag the name of the field, a key of
    `[tool.dbctl]` either. Read them with `load_settings`, which words faults for people.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        env_file_encoding="utf-8",
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    database_url_unpooled: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL_UNPOOLED", "POSTGRES_URL_NON_POOLING"),
    )
    database: str | None = Field(default=None, validation_alias="DBCTL_DATABASE")
    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        validation_alias=AliasChoices("DBCTL_ENVIRONMENT", "ENVIRONMENT"),
    )
    pool_size: int = Field(default=5, ge=1, validation_alias="DB_POOL_SIZE")
    max_overflow: int = Field(default=10, ge=0, validation_alias="DB_MAX_OVERFLOW")
    pool_recycle: int = Field(default=3600, ge=-1, validation_alias="DB_POOL_RECYCLE")
    connect_timeout: float = Field(
        default=15.0, gt=0, allow_inf_nan=False, validation_alias="DB_CONNECT_TIMEOUT"
    )
    connect_deadline: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, validation_alias="DB_CONNECT_DEADLINE"
    )
    models: str | None = Field(
        default=None,
        pattern=rf"^{_MODELS}(\s*,\s*{_MODELS})*$",
        validation_alias="DBCTL_MODELS",
    )
    alembic_config: Path | None = Field(default=None, validation_alias="DBCTL_ALEMBIC_CONFIG")
    alembic_name: str = Field(default="alembic", validation_alias="DBCTL_ALEMBIC_NAME")
    alembic_x: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), validation_alias="DBCTL_ALEMBIC_X"
    )
    app: str | None = Field(default=None, validation_alias="FLASK_APP")
    actor: str | None = Field(default=None, validation_alias="DBCTL_ACTOR")
    # `schema` in [tool.dbctl]; the name is pydantic's in a class.
    own_schema: str = Field(default="dbctl", validation_alias="DBCTL_SCHEMA")
    pg_bindir: Path | None = Field(default=None, validation_alias="DB_PG_BINDIR")
    example: bool = Field(default=False, strict=True, validation_alias="example")
    branch: str | None = Field(default=None, validation_alias="DBCTL_BRANCH")
    branch_per_git_branch: bool = Field(
        default=False, strict=True, validation_alias="branch_per_git_branch"
    )

    _project: Path = PrivateAttr(default_factory=Path.cwd)
    _sources: dict[str, str] = PrivateAttr(default_factory=dict)
    _dotenv: Path = PrivateAttr(default_factory=lambda: Path(".env"))
    _faults: tuple[Fault, ...] = PrivateAttr(default=())
    _is_database_uncertain: bool = PrivateAttr(default=False)
    # What the project's own code was found to say, so that a command runs it once.
    _found: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the sources to `load_settings`, which also remembers what came from where."""
        return (init_settings,)

    @field_validator("alembic_x", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Read the words of a variable as a list of them."""
        return tuple(shlex.split(value)) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_boolean(cls, value: object, info: ValidationInfo) -> object:
        """Refuse TOML's booleans, which pydantic would take for 1 and 0, where one is not meant."""
        if isinstance(value, bool) and info.field_name not in _PROJECT_ONLY:
            raise ValueError("should not be true or false")
        return value

    @field_validator("own_schema")
    @classmethod
    def _is_schema(cls, value: str) -> str:
        """Refuse what PostgreSQL would not create a schema under, or only under another name."""
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            raise ValueError("should be UTF-8") from None
        if length > _NAME_BYTES or "\0" in value:
            raise ValueError(f"should be a name of at most {_NAME_BYTES} bytes")
        if value.startswith("pg_") or value == "information_schema":
            raise ValueError("should not be a schema of the server's own")
        return value

    @property
    def project(self) -> Path:
        """The root folder of the project, absolute."""
        return self._project

    @property
    def dotenv(self) -> Path:
        """The file that is read as `.env`, which need not exist."""
        return self._dotenv

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What could not be used of the sources, where these settings were read in spite of it."""
        return self._faults

    @property
    def is_database_uncertain(self) -> bool:
        """Return whether a fault may have hidden which database is meant."""
        return self._is_database_uncertain

    @property
    def uses_example(self) -> bool:
        """Return whether the project asks for dbctl's example and names no other models."""
        return self.example and self.models in (None, EXAMPLE_MODELS)

    @property
    def configured_models(self) -> str | None:
        """The models to import: those of DBCTL_MODELS, else the example's where it is asked for.

        None where neither is configured: then the project's env.py names the models.
        """
        return EXAMPLE_MODELS if self.uses_example else self.models

    @property
    def deadline(self) -> float:
        """The seconds that connecting may take over all tries.

        Five in development and test; sixty where a compute that was scaled to zero must have the
        time to wake.
        """
        if self.connect_deadline is not None:
            return self.connect_deadline
        return 60.0 if self.environment.is_deployed else 5.0

    def for_project(self, project: Path) -> "Settings":
        """Return what flags and the environment set, for a folder that has no settings yet."""
        sources = {
            field: source
            for field, source in self._sources.items()
            if source in {"flag", "environment"}
        }
        values = {variable_name(field): getattr(self, field) for field in sources}
        settings = Settings(**values)
        settings._project, settings._sources = project, sources
        settings._dotenv = project / ".env"
        return settings

    def once[T](self, name: str, find: Callable[[], T]) -> T:
        """Return what `find` returns, called once for this run of dbctl."""
        if name not in self._found:
            self._found[name] = find()
        found: T = self._found[name]
        return found

    def anew(self) -> "Settings":
        """Return the same settings for another run, which finds everything else again."""
        again = self.model_copy()
        again._found = {}
        return again

    def source_of(self, field: str) -> str:
        """Tell where the value of `field` came from: `flag`, `environment`, `.env`, … `default`."""
        return self._sources.get(field, "default")


def variable_name(field: str) -> str:
    """Return the environment variable that sets `field`, the first where there are several."""
    names = _variable_names(field)
    # A project's own variable is known better than the one that is dbctl's alone.
    return next((name for name in names[1:] if names[0] == f"DBCTL_{name}"), names[0])


def _variable_names(field: str) -> list[str]:
    alias = Settings.model_fields[field].validation_alias
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return [str(choice) for choice in choices]


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    start: Path | None = None,
    env_file: Path | None = None,
    tolerant: bool = False,
) -> Settings:
    """Read the settings that hold for the folder `start` (default: the working directory).

    `flags` maps field names to values of the command line; None values are ignored. `env_file` is
    read in place of the project's `.env`. A database that is picked by its name counts as the
    connection strings and the environment written for it, in the source that picks it. A direct
    connection string belongs to the pooled one of its own source or of a weaker one, and is not
    used beside one of a stronger source: it may lead to another database. With `tolerant` what
    cannot be used is left out and kept as `Settings.faults`; a database that a source might have
    named which cannot be read is then taken from no weaker one.

    Raises ConfigurationError with one line per fault, each naming the setting and its source, never
    a secret, and UsageError where two flags name two databases.
    """
    try:
        project = find_project(start or Path.cwd())
    except FileNotFoundError:
        raise ConfigurationError(
            "the working directory no longer exists", hint="Change to a folder that is there."
        ) from None
    if flags and flags.get("database") and flags.get("database_url"):
        raise UsageError(
            "--database and --database-url both name a database", hint="Leave one of them out."
        )
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    faults = Faults(are_kept=tolerant)
    is_hidden = False  # a source that may have named the database cannot be read
    if env_file is not None and not env_file.is_file():
        raise ConfigurationError(
            f"there is no file {env_file}", hint="--env-file names one that is read like .env."
        )
    dotenv = env_file or project / ".env"
    for source, layer in _layers(flags or {}, project, dotenv, faults):
        if layer is None:
            is_hidden = True
            continue
        parts = [(source, layer)]
        name = layer.get("database")
        if isinstance(name, str) and name and not _OF_A_DATABASE.intersection(values):
            try:
                picked = named_database(project, name, dotenv)
            except ConfigurationError as error:
                faults.add(Fault(source, error))
                is_hidden = True
            else:
                # What a flag sets holds also for a database that is picked by one.
                parts.insert(1 if source == "flag" else 0, (picked.origin, picked.settings))
        for origin, part in parts:
            has_database = is_hidden or bool(SECRETS.intersection(values))
            for field, value in part.items():
                if value in (None, "", (), []):
                    continue
                if field in SECRETS:
                    redaction.remember_url(str(value))
                if field in values or (has_database and field in _OF_A_DATABASE):
                    continue
                values[field] = value
                sources[field] = origin
    environ = os.environ
    names = (environ.get("PGUSER"), environ.get("PGDATABASE"), environ.get("PGHOST"))
    redaction.remember(environ.get("PGPASSWORD"), names=names)
    settings = _validated(values, sources, faults)
    invalid = values.keys() - settings._sources.keys()
    is_hidden = is_hidden or bool(invalid & {"environment", *_OF_A_DATABASE})
    settings._project = project
    settings._dotenv = dotenv
    settings._faults = tuple(faults.kept)
    settings._is_database_uncertain = is_hidden and not SECRETS.intersection(settings._sources)
    return settings


def _validated(
    values: Mapping[str, object], sources: Mapping[str, str], faults: Faults
) -> Settings:
    """Return the settings that `values` make, without those that are not valid."""
    try:
        settings = Settings(
            **{variable_name(field): value for field, value in values.items()}  # type: ignore[arg-type]
        )
    except ValidationError as error:
        invalid = dict(_invalid(error, values, sources))
        faults.add(*invalid.values())
        valid = {field: value for field, value in values.items() if field not in invalid}
        return _validated(valid, sources, faults)
    settings._sources = {field: sources[field] for field in values}
    return settings


def _layers(
    flags: Mapping[str, object],
    project: Path,
    dotenv: Path,
    faults: Faults,
) -> Iterator[tuple[str, Mapping[str, object] | None]]:
    """Yield the sources from the strongest to the weakest, each with its values by field.

    Those are None for one that cannot be read.
    """
    yield "flag", flags
    yield "environment", _by_field(EnvSettingsSource(Settings)())
    read_pyproject = partial(_read_pyproject, faults=faults)
    for path, read in ((dotenv, _read_dotenv), (project / "pyproject.toml", read_pyproject)):
        layer: Mapping[str, object] | None = None
        try:
            layer = read(path)
        except (OSError, ValueError) as error:  # TOML and encoding faults are ValueErrors
            hint = "Correct the file or remove it."
            unread = ConfigurationError(f"cannot read {path}: {error}", hint=hint)
            faults.add(Fault(path.name, unread))
        yield path.name, layer


def _read_dotenv(path: Path) -> Mapping[str, object]:
    if path.is_dir():  # pydantic would pass over it, as over one that is not there
        raise IsADirectoryError("it is a folder")
    return _by_field(DotEnvSettingsSource(Settings, env_file=path)())


def _by_field(variables: Mapping[str, object]) -> Mapping[str, object]:
    """Return the values of variables by field; a variable with a field's own name is none."""
    return {
        field: variables[name]
        for field in Settings.model_fields
        if field not in _PROJECT_ONLY
        for name in reversed(_variable_names(field))  # the first of several wins
        if variables.get(name) not in (None, "")
    }


def project_table(settings: Settings, group: str) -> Mapping[str, object]:
    """Return `[tool.dbctl.<group>]` of the project; raises what `group_table` raises."""
    return group_table(settings.project, group)


def _read_pyproject(path: Path, faults: Faults) -> Mapping[str, object]:
    table = tool_table(path)
    fields = {
        name.lower(): field
        for field in Settings.model_fields
        for name in (field, *_variable_names(field))
    } | _KEYS
    values: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            continue  # sub-tables belong to the groups
        name = key.replace("-", "_").lower()
        if name not in fields:
            nearest = difflib.get_close_matches(name, fields, n=1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else _README
            unknown = UnknownKey(f"unknown key {key!r} in [tool.dbctl] of {path}", hint=hint)
            faults.add(Fault(path.name, unknown))
        elif fields[name] in values:
            message = f"{fields[name]} is set twice in [tool.dbctl] of {path}"
            faults.add(Fault(path.name, ConfigurationError(message, hint="Write it once.")))
        else:
            values[fields[name]] = value
    return values


def _invalid(
    error: ValidationError, values: Mapping[str, object], sources: Mapping[str, str]
) -> Iterator[tuple[str, Fault]]:
    """Yield the fields that are not valid, each with a line that has no value of a secret."""
    for fault in error.errors(include_url=False, include_context=False):
        field = _field_of(fault["loc"][0])
        value = "" if field in SECRETS else f" {str(values[field])!r}"
        if fault["type"] == "string_pattern_mismatch":
            reason = "should be module or module:name, several with commas between"
        elif fault["type"] == "bool_type":
            reason = "should be true or false"
        else:
            reason = fault["msg"].removeprefix("Input ").removeprefix("Value error, ")
            reason = reason.partition(", unable to")[0]
        line = f"{variable_name(field)} from {sources[field]}:{value} {reason}"
        hint = _README
        if field == "environment":
            hint = (
                f"DBCTL_ENVIRONMENT wins over ENVIRONMENT, where that is the application's. {hint}"
            )
        yield field, Fault(sources[field], ConfigurationError(line, hint=hint))


def _field_of(name: object) -> str:
    """Return the field that a name of a ValidationError means."""
    fields = {name: field for field in Settings.model_fields for name in _variable_names(field)}
    return fields.get(str(name), str(name))
