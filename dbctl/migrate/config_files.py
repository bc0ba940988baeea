"""Where Alembic's configuration stands; importing this does not import Alembic."""

import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dbctl.errors import ConfigurationError
from dbctl.project import FLASK_MIGRATE_INI
from dbctl.settings import Settings

MAKE_CONFIG = "Make one with `dbctl init`, or name the project's with DBCTL_ALEMBIC_CONFIG"


class NoAlembicConfig(ConfigurationError):
    """The project has no Alembic configuration, and does not ask for the example's."""


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Where Alembic's configuration stands: an ini file, a pyproject.toml, or both.

    `bundled` means that it is the example's, which ships with dbctl, not the project's.
    """

    ini: Path | None
    toml: Path | None
    bundled: bool = False


def config_files(settings: Settings) -> ConfigFiles:
    """Return the configuration to use: the one that is set, the project's, or the example's.

    Raises ConfigurationError where the one that is set does not exist, and NoAlembicConfig where
    the project has none and does not ask for the example.
    """
    pyproject = settings.project / "pyproject.toml"
    toml = pyproject if _configures_alembic(pyproject) else None
    named = settings.alembic_config
    if named is not None:
        path = named if settings.source_of("alembic_config") == "flag" else settings.project / named
        if not path.is_file():
            raise ConfigurationError(
                f"DBCTL_ALEMBIC_CONFIG from {settings.source_of('alembic_config')}: "
                f"there is no file {path}",
                hint="Name the alembic.ini of the project.",
            )
        return ConfigFiles(path.resolve(), toml)
    own = next((ini for ini in project_inis(settings.project) if ini.is_file()), None)
    if own or toml:
        return ConfigFiles(own, toml)
    if settings.uses_example:
        return ConfigFiles(bundled_config(), None, bundled=True)
    missing = (
        f"there is no Alembic configuration in {settings.project}: no alembic.ini, and no "
        "[tool.alembic] in a pyproject.toml"
    )
    if settings.example:
        raise NoAlembicConfig(
            f"{missing}; the example's revisions do not fit DBCTL_MODELS={settings.models}",
            hint=f"{MAKE_CONFIG}.",
        )
    raise NoAlembicConfig(
        missing,
        hint=f"{MAKE_CONFIG}. To try dbctl with a task application: `dbctl init --example`.",
    )


def project_inis(project: Path) -> tuple[Path, Path]:
    """Return where a project's ini may stand: Alembic's own place, and that of Flask-Migrate."""
    return project / "alembic.ini", project / FLASK_MIGRATE_INI


def _configures_alembic(pyproject: Path) -> bool:
    try:
        tool = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool")
    except (OSError, ValueError):  # no such file, or none that the settings could be read from
        return False
    return isinstance(tool, dict) and "alembic" in tool


def bundled_config() -> Path:
    """Return the alembic.ini of the example, which ships with dbctl."""
    package = Path(str(resources.files("dbctl")))
    installed = package / "bundled" / "alembic.ini"
    return installed if installed.is_file() else package.parent / "alembic.ini"
