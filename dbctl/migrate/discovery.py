"""What a project has of Alembic, read from its files: neither they nor Alembic are imported."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dbctl.errors import ConfigurationError
from dbctl.migrate.config_files import ConfigFiles, config_files
from dbctl.settings import Settings

ASKS_DBCTL = re.compile(r"^\s*(from|import)\s+dbctl\b", re.MULTILINE)
ASKS_FLASK = re.compile(r"^\s*from flask import\b.*\bcurrent_app\b", re.MULTILINE)
IS_ASYNC = re.compile(r"\b(create_async_engine|async_engine_from_config|AsyncEngine)\b")

_DRIVER = re.compile(r"postgres(?:ql)?\+(\w+)://")
_SEPARATORS = {"space": " ", "newline": "\n", "os": os.pathsep, ":": ":", ";": ";"}
_LEGACY_SEPARATOR = re.compile(r", *|(?: +)")
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, ConfigParserError)


class EnvStyle(StrEnum):
    """How an env.py comes to its connection, as its text and the ini say."""

    SYNC = "sync"
    ASYNC = "async"
    FLASK = "Flask-Migrate"
    SEVERAL = "several databases"
    DBCTL = "asks dbctl"


@dataclass(frozen=True, slots=True)
class TargetMetadata:
    """What env.py calls `target_metadata`, as it is written in `line`, with the import it is from.

    `expression` is None where it is the template's `target_metadata = None`.
    """

    expression: str | None
    imported: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """The Alembic configuration of a project, and what its files say.

    `section` is that of the ini. `scripts` is the folder of env.py, `revisions` those that its
    revisions are looked for in, as `package:folder` where they are written so. `databases` are the
    names in the ini of a project of several. `driver` is the one that the ini's URL names; `style`
    and `target` are None where env.py cannot be read, or says nothing of it.
    """

    files: ConfigFiles
    section: str
    scripts: str
    revisions: tuple[str, ...]
    databases: tuple[str, ...]
    driver: str | None
    env_py: Path | None
    style: EnvStyle | None
    target: TargetMetadata | None


def discover(settings: Settings) -> Discovery:
    """Return what the project has of Alembic.

    Raises NoAlembicConfig where it has no configuration, and ConfigurationError where that cannot
    be read.
    """
    files = config_files(settings)
    try:
        return _discovered(settings, files, _Options.read(files, settings.alembic_name))
    except ConfigurationError:
        raise
    except _UNREADABLE as error:
        raise ConfigurationError(
            f"Alembic's configuration in {files.ini or files.toml} cannot be read: {error}",
            hint="Correct the file; `alembic history` reads it as well.",
        ) from error


def _discovered(settings: Settings, files: ConfigFiles, options: _Options) -> Discovery:
    scripts = options.text("script_location")
    if not scripts:
        # Flask-Migrate's ini stands in the folder itself.
        if files.ini is None or not (files.ini.parent / "env.py").is_file():
            raise ConfigurationError(
                f"{files.ini or files.toml} has no script_location",
                hint="Name the folder of env.py there, as `alembic init` does.",
            )
        scripts = str(files.ini.parent)
    root = _absolute(settings.project, scripts)
    places = [_absolute(settings.project, place) for place in options.version_locations()]
    source = _text(Path(root) / "env.py")
    databases = [name for name in re.split(r",\s*", options.text("databases") or "") if name]
    url = _DRIVER.match(options.text("sqlalchemy.url") or "")
    return Discovery(
        files=files,
        section=settings.alembic_name,
        scripts=root,
        revisions=tuple(places) or (str(Path(root) / "versions"),),
        databases=tuple(databases),
        driver=url[1] if url else None,
        env_py=None if source is None else Path(root) / "env.py",
        style=None if source is None else style_of(source, several=bool(databases)),
        target=None if source is None else target_metadata_in(source),
    )


def style_of(env_py: str, *, several: bool = False) -> EnvStyle:
    """Return the style of an env.py by its text; `several` is whether the ini names databases."""
    if ASKS_DBCTL.search(env_py):
        return EnvStyle.DBCTL
    if ASKS_FLASK.search(env_py):
        return EnvStyle.FLASK
    if several:
        return EnvStyle.SEVERAL
    return EnvStyle.ASYNC if IS_ASYNC.search(env_py) else EnvStyle.SYNC


def target_metadata_in(env_py: str) -> TargetMetadata | None:
    """Return the last assignment of `target_metadata` in the text of an env.py."""
    try:
        tree = ast.parse(env_py)
    except (SyntaxError, ValueError):
        return None
    imports = dict(_imports(tree))
    for node in reversed(tree.body):
        match node:
            case ast.Assign(targets=[ast.Name(id="target_metadata")], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id="target_metadata"), value=ast.expr() as value):
                pass
            case _:
                continue
        if isinstance(value, ast.Constant) and value.value is None:
            return TargetMetadata(None, None, node.lineno)
        names = [each.id for each in ast.walk(value) if isinstance(each, ast.Name)]
        imported = next((imports[name] for name in names if name in imports), None)
        return TargetMetadata(ast.unparse(value), imported, node.lineno)
    return None


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that the imports of a module make, with the module each is from."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{'.' * node.level}{node.module or ''}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name


@dataclass(frozen=True, slots=True)
class _Options:
    """Alembic's options: what the ini lacks, the pyproject.toml has."""

    ini: Mapping[str, str]
    toml: Mapping[str, object]
    toml_arguments: Mapping[str, str]

    @classmethod
    def read(cls, files: ConfigFiles, section: str) -> _Options:
        ini: Mapping[str, str] = {}
        toml: Mapping[str, object] = {}
        here = ""
        if files.ini is not None:
            parser = ConfigParser({"here": files.ini.parent.as_posix().replace("%", "%%")})
            with files.ini.open(encoding="utf-8") as lines:
                parser.read_file(lines)
            if parser.has_section(section):
                ini = parser[section]
        if files.toml is not None:
            toml = tomllib.loads(files.toml.read_text(encoding="utf-8"))["tool"]["alembic"]
            here = files.toml.parent.as_posix()
        return cls(ini, toml, {"here": here})

    def text(self, name: str) -> str | None:
        if name in self.ini:
            return self.ini[name]
        value = self.toml.get(name)
        return value % self.toml_arguments if isinstance(value, str) else None

    def version_locations(self) -> list[str]:
        if written := self.ini.get("version_locations"):
            separator = self.ini.get("path_separator") or self.ini.get("version_path_separator")
            if separator is None:
                return _LEGACY_SEPARATOR.split(written)
            parts = written.split(_SEPARATORS[separator])
            return [part.strip() for part in parts if part.strip()]
        value = self.toml.get("version_locations")
        places = value if isinstance(value, list) else []
        return [place % self.toml_arguments for place in places if isinstance(place, str)]


def _absolute(project: Path, place: str) -> str:
    """Return a folder of the configuration as an absolute one; `package:folder` as it is."""
    if ":" in place and not Path(place).is_absolute():
        return place
    return os.path.normpath(project / place)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
