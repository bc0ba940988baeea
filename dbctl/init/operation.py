"""Work out what a project needs to be used with dbctl, and write it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from dbctl.db.endpoints import FindInProject
from dbctl.errors import UsageError
from dbctl.init.found import find
from dbctl.init.found_results import Found
from dbctl.init.next_steps import steps_after
from dbctl.init.results import Init, InitFile
from dbctl.init.scaffold import (
    Home,
    NewFile,
    alembic_files,
    env_example,
    example_files,
    home_of,
    package_files,
    starter_models,
    starter_seeds,
)
from dbctl.init.writing import PYPROJECT, outcomes, texts_of, write
from dbctl.migrate.config_files import NoAlembicConfig, config_files
from dbctl.settings import Settings

_SEED_FUNCTION = re.compile(r"^async def seed\(", re.MULTILINE)
_INIS = ("*/alembic.ini", "*/*/alembic.ini")


@dataclass(slots=True)
class _Plan:
    """What is to be written: new files, and keys of `[tool.dbctl]` and `[tool.dbctl.seeds]`."""

    files: list[NewFile] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    seeds: dict[str, str] = field(default_factory=dict)
    left: list[InitFile] = field(default_factory=list)


def init(
    settings: Settings,
    find_in_project: FindInProject | None = None,
    *,
    example: bool = False,
    dry_run: bool = False,
) -> Init:
    """Write what the project lacks, or in a dry run only work it out.

    No file that is there is replaced; pyproject.toml is added to. Raises UsageError for an
    `example` in a project that has something of its own, ConfigurationError where pyproject.toml
    cannot be added to, OperationFailed or UsageError where a file cannot be written; then nothing
    of what was written is left.
    """
    settings = _with_ini(_here(settings))
    project = settings.project
    is_new = not _has_configuration(settings)
    if example and not is_new and not _has_example(project):
        raise _no_room("it has an Alembic configuration")
    found = find(settings, find_in_project)
    plan = _Plan(keys=_named_on_the_command_line(settings))
    if is_new:
        _plan_new(plan, settings, found, example=example)
    else:
        _plan_existing(plan, settings, found)
    tables = {"tool.dbctl": plan.keys, "tool.dbctl.seeds": plan.seeds}
    texts, left = texts_of(project, plan.files, tables, is_new=is_new)
    if not dry_run:
        write(project, texts)
    _, pyproject = texts.get(PYPROJECT, (None, ""))
    steps = steps_after(
        texts.keys(),
        found,
        pyproject or _text_of(project / PYPROJECT),
        example=example and is_new,
        has_dev="dev" in {*found.seeds, *plan.seeds} or settings.uses_example,
    )
    return Init(
        project=project,
        kind="new" if is_new else "existing",
        dry_run=dry_run,
        changed=bool(texts),
        found=found,
        files=(*outcomes(texts, tables, with_diffs=dry_run), *left, *plan.left),
        next=tuple(steps),
    )


def _here(settings: Settings) -> Settings:
    """Return the settings of the working directory where that is empty: it becomes a project.

    A folder above it may be one as well, and stays as it is.
    """
    here = Path.cwd()
    return settings if any(here.iterdir()) else settings.for_project(here)


def _with_ini(settings: Settings) -> Settings:
    """Return the settings with the only Alembic configuration below the project's folder.

    Where it has one of its own, they are left as they are. Raises UsageError where there are
    several.
    """
    if settings.alembic_config is not None or _has_configuration(settings):
        return settings
    project = settings.project
    found = [path.relative_to(project) for pattern in _INIS for path in project.glob(pattern)]
    inis = sorted(ini for ini in found if not any(part.startswith(".") for part in ini.parts))
    if len(inis) > 1:
        raise UsageError(
            f"there are several Alembic configurations: {', '.join(map(str, inis))}",
            hint=f"Name one: `dbctl --alembic-config {inis[0]} init`, or start it in its folder.",
        )
    return settings.model_copy(update={"alembic_config": inis[0]}) if inis else settings


def _has_configuration(settings: Settings) -> bool:
    try:
        return not config_files(settings).bundled
    except NoAlembicConfig:
        return False


def _named_on_the_command_line(settings: Settings) -> dict[str, str]:
    """Return the keys for what a flag names, or for an ini that was found in another folder."""
    keys = {}
    config, source = settings.alembic_config, settings.source_of("alembic_config")
    if config is not None and source == "flag":
        keys["alembic-config"] = os.path.relpath(config.absolute(), settings.project)
    elif config is not None and source == "default":
        keys["alembic-config"] = str(config)
    if settings.models is not None and settings.source_of("models") == "flag":
        keys["models"] = settings.models
    return keys


def _plan_new(plan: _Plan, settings: Settings, found: Found, *, example: bool) -> None:
    project = settings.project
    named = settings.models or ",".join(found.modules) or None
    if example and named:
        raise _no_room(f"it has models, in {named}")
    home = home_of(project, named, may_create=True)
    plan.files += alembic_files(sqlmodel=named is None or _uses_sqlmodel(project, named))
    plan.files.append(env_example())
    plan.files += package_files(home)
    if example:
        plan.files += example_files(home)
    elif named is None:
        plan.files.append(starter_models(home))
    if settings.models is None:
        plan.keys["models"] = named or home.module("models")
    if not found.seeds:
        _plan_seeds(plan, project, home, example=example)


def _plan_existing(plan: _Plan, settings: Settings, found: Found) -> None:
    project = settings.project
    models = settings.models or ",".join(found.modules) or None
    unreadable = {fault.part for fault in found.unreadable}
    if found.models is None and models and not unreadable & {"alembic", "models"}:
        plan.keys["models"] = models
    if not found.seeds and not settings.uses_example:
        _plan_seeds(plan, project, home_of(project, models, may_create=False))


def _plan_seeds(plan: _Plan, project: Path, home: Home, *, example: bool = False) -> None:
    """Name the seed set `dev`, and write its module where there is none."""
    file = starter_seeds(home)
    if os.path.lexists(project / file.path):
        if not _SEED_FUNCTION.search(_text_of(project / file.path)):
            reason = "it is there, and has no `async def seed(session)`: no seed set is named"
            plan.left.append(InitFile(path=str(file.path), action="leave", detail=reason))
            return
    elif not example:
        plan.files.append(file)
    plan.seeds["dev"] = home.module("seeds")


def _uses_sqlmodel(project: Path, models: str) -> bool:
    """Return whether the first module of the models mentions SQLModel, or one of its package."""
    module = models.partition(",")[0].partition(":")[0].replace(".", "/")
    places = [project / module, project / "src" / module]
    files = [file for place in places for file in (place.with_suffix(".py"), *place.glob("*.py"))]
    return any("sqlmodel" in _text_of(file) for file in files)


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _has_example(project: Path) -> bool:
    home = home_of(project, None, may_create=True)
    return all((project / file.path).is_file() for file in example_files(home))


def _no_room(reason: str) -> UsageError:
    return UsageError(
        f"--example is for a project without models and revisions of its own: {reason}",
        hint="Run `dbctl init` without it, or `dbctl init --example` in an empty folder.",
    )
