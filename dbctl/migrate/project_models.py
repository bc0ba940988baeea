"""The project's models: those that DBCTL_MODELS names, else the target_metadata of its env.py."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from sqlalchemy import MetaData, Table

from dbctl.db.failures import first_line
from dbctl.db.metadata import PROJECT_CODE_ERRORS, located, make_importable
from dbctl.db.names import listed
from dbctl.errors import ConfigurationError, DbctlError, ErrorCode
from dbctl.migrate.config_files import NoAlembicConfig, config_files
from dbctl.migrate.run.logging_guard import logging_untouched
from dbctl.settings import Settings

if TYPE_CHECKING:
    from dbctl.migrate.scripts import Checkout

# What a module is searched for, in this order.
_NAMES = ("metadata", "Base", "db")
_SEARCHED = "metadata, Base, db.metadata, a mapped class and SQLModel.metadata"
_SET_MODELS = "DBCTL_MODELS (module, module:Base, module:metadata; several with commas between)"


class NoModels(ConfigurationError):
    """Nothing names models: no DBCTL_MODELS, and no target_metadata with a table in an env.py."""

    code = ErrorCode.MODELS_IMPORT


class ModelsWithoutTable(ConfigurationError):
    """DBCTL_MODELS names something that could be imported, and defines no table."""

    code = ErrorCode.MODELS_IMPORT


@dataclass(frozen=True, slots=True)
class ProjectModels:
    """What the models define; `source` names them for people: `shop.models`, `alembic/env.py`."""

    metadata: tuple[MetaData, ...]
    source: str

    @property
    def target(self) -> MetaData | list[MetaData]:
        """What Alembic takes as `target_metadata`; of a list it has no naming convention."""
        return self.metadata[0] if len(self.metadata) == 1 else list(self.metadata)

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables of every MetaData."""
        return tuple(table for each in self.metadata for table in each.tables.values())


def project_models(settings: Settings) -> ProjectModels:
    """Import the models of the project, or run its env.py for them.

    Must not be called while an event loop runs in this thread. Raises NoModels where nothing names
    any, and ConfigurationError, code `models_import`, where they cannot be loaded.
    """
    make_importable(settings)
    if settings.configured_models is not None:
        return imported_models(settings)
    return _of_env_py(settings)


def models_of(checkout: "Checkout", metadata: tuple[MetaData, ...]) -> ProjectModels:
    """Return the models that env.py gave Alembic.

    Raises NoModels where none of them has a table.
    """
    if not _has_tables(metadata):
        raise _no_table(checkout.env_label, metadata)
    return ProjectModels(_disjoint(metadata, checkout.env_label), checkout.env_label)


def configured_models(settings: Settings) -> ProjectModels | None:
    """Return the models that DBCTL_MODELS or the example names; None where it is env.py's to say.

    Raises what `imported_models` raises.
    """
    make_importable(settings)
    return imported_models(settings) if settings.configured_models is not None else None


def optional_models(settings: Settings, tell: Callable[[str], object]) -> ProjectModels | None:
    """Return the models for a command that does without: None where there are none.

    `tell` is called with one line where they cannot be loaded.
    """
    try:
        return project_models(settings)
    except NoModels:
        return None
    except ConfigurationError as error:
        tell(f"the project's models are left out: {first_line(error)}")
        return None


def imported_models(settings: Settings) -> ProjectModels:
    """Return the models that DBCTL_MODELS, or the example where it is asked for, names.

    For an env.py, which cannot be asked itself. Raises what `project_models` raises.
    """
    names = settings.configured_models
    if names is None:
        raise NoModels("DBCTL_MODELS is not set", hint=f"Set {_SET_MODELS}.")
    make_importable(settings)
    found = [metadata for name in names.split(",") for metadata in _named(settings, name.strip())]
    return ProjectModels(_disjoint(found, names), names)


def _named(settings: Settings, name: str) -> tuple[MetaData, ...]:
    """Return what one name of DBCTL_MODELS stands for."""
    path, _, attribute = name.partition(":")
    try:
        with logging_untouched():
            module = import_module(path)
    except PROJECT_CODE_ERRORS as error:
        raise _fault(
            settings,
            f"importing {path} failed: {located(error)}",
            "It is imported from the project's root; name the module as Python would.",
        ) from error
    return _attribute(settings, module, attribute) if attribute else _searched(settings, module)


def _attribute(settings: Settings, module: ModuleType, attribute: str) -> tuple[MetaData, ...]:
    found: object = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except PROJECT_CODE_ERRORS as error:
            usable = [name for name, value in vars(module).items() if _metadata_of(value)]
            there = f"There {'are' if len(usable) > 1 else 'is'} {listed(usable)}. "
            raise _fault(
                settings,
                f"{module.__name__} has no {attribute}: {located(error)}",
                f"{there if usable else ''}Name a MetaData, or what has one as .metadata.",
            ) from error
    tables = _metadata_of(found)
    if not tables:
        raise _fault(
            settings,
            f"{module.__name__}:{attribute} is of the type {type(found).__name__}: neither a "
            "MetaData, nor a list of them, nor does it have one as .metadata",
            "Name a declarative base, a MetaData, or the SQLAlchemy object of Flask-SQLAlchemy.",
        )
    if not _has_tables(tables):
        raise _without_table(
            settings,
            f"{module.__name__}:{attribute} was imported, and has no table",
            "Name the module that imports every model.",
        )
    return tables


def _searched(settings: Settings, module: ModuleType) -> tuple[MetaData, ...]:
    """Return the first MetaData with a table that a module has, itself or by its classes."""
    empty = []
    for name, found in _candidates(module):
        if _has_tables(found):
            return found
        if found:
            empty.append(name)
    without = f", found {listed(empty)} without a table" if empty else ", found none of them"
    raise _without_table(
        settings,
        f"importing {module.__name__} defined no table: searched it for {_SEARCHED}{without}",
        "Name the module that imports every model, or the object: module:Base.",
    )


def _candidates(module: ModuleType) -> Iterator[tuple[str, tuple[MetaData, ...]]]:
    for name in _NAMES:
        yield name, _metadata_of(vars(module).get(name))
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    mapped = [cls for cls in classes if hasattr(cls, "__table__")]
    yield "mapped classes", tuple(_each_once(m for cls in mapped for m in _metadata_of(cls)))
    # Models in modules that this one imports.
    sqlmodel = sys.modules.get("sqlmodel")
    yield "SQLModel.metadata", _metadata_of(getattr(sqlmodel, "SQLModel", None))


def _metadata_of(value: object) -> tuple[MetaData, ...]:
    """Return the MetaData that an object is, lists or has as `.metadata`; empty without one."""
    if isinstance(value, MetaData):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(metadata for each in value for metadata in _metadata_of(each))
    try:
        found = getattr(value, "metadata", None)
    except PROJECT_CODE_ERRORS:  # a property of the project's may do anything
        return ()
    return (found,) if isinstance(found, MetaData) else ()


def _of_env_py(settings: Settings) -> ProjectModels:
    try:
        config_files(settings)
    except NoAlembicConfig as error:
        raise NoModels(
            f"there are no models: DBCTL_MODELS is not set, and {error.message}",
            hint=f"Set {_SET_MODELS}, or make the configuration with `dbctl init`.",
        ) from error
    # Alembic is imported only where its env.py has to be asked: it is half of such a start.
    from dbctl.migrate.run.learn import env_metadata
    from dbctl.migrate.scripts import open_checkout

    source = open_checkout(settings).env_label
    try:
        found = env_metadata(settings)
    except DbctlError as error:
        raise ConfigurationError(
            f"the models cannot be read from {source}: {error.message}",
            hint=error.hint,
            code=ErrorCode.MODELS_IMPORT,
        ) from error
    if not _has_tables(found):
        raise _no_table(source, found)
    return ProjectModels(_disjoint(found, source), source)


def _no_table(source: str, found: tuple[MetaData, ...]) -> NoModels:
    reason = "has no table" if found else "is None"
    return NoModels(
        f"there are no models: DBCTL_MODELS is not set, and target_metadata of {source} {reason}",
        hint=f"Give context.configure the metadata of the models there, or set {_SET_MODELS}.",
    )


def _disjoint(found: Iterable[MetaData], source: str) -> tuple[MetaData, ...]:
    """Return each MetaData once; raises ConfigurationError where two have a table of one name."""
    each = tuple(_each_once(found))
    names: set[str] = set()
    for metadata in each:
        for table in metadata.tables.values():
            if table.fullname in names:
                raise ConfigurationError(
                    f"two MetaData of {source} have a table {table.fullname}",
                    hint="Which of them the database should have is not known: name one.",
                    code=ErrorCode.MODELS_IMPORT,
                )
            names.add(table.fullname)
    return each


def _each_once(found: Iterable[MetaData]) -> Iterator[MetaData]:
    return iter({id(metadata): metadata for metadata in found}.values())


def _has_tables(found: Iterable[MetaData]) -> bool:
    return any(metadata.tables for metadata in found)


def _without_table(settings: Settings, message: str, hint: str) -> ModelsWithoutTable:
    fault = _fault(settings, message, hint)
    return ModelsWithoutTable(fault.message, hint=fault.hint)


def _fault(settings: Settings, message: str, hint: str) -> ConfigurationError:
    named = f"DBCTL_MODELS={settings.configured_models}"
    return ConfigurationError(f"{named}: {message}", hint=hint, code=ErrorCode.MODELS_IMPORT)
