"""Work out what a project needs to be used with dbctl, and write it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dbctl.db.endpoints import FindInProject
from dbctl.draft import drafted
from dbctl.errors import ConfigurationError, UsageError
from dbctl.init.found import find
from dbctl.init.found_results import Found
from dbctl.init.model_files import modules_with_tables
from dbctl.init.next_steps import steps_after
from dbctl.init.pyproject import extended, new_pyproject
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
from dbctl.migrate.config_files import NoAlembicConfig, config_files
from dbctl.settings import Settings

_PYPROJECT = Path("pyproject.toml")
_SEED_FUNCTION = re.compile(r"^async def seed\(", re.MULTILINE)
_INIS = ("*/alembic.ini", "*/*/alembic.ini")

# The text of a file before and after, by its path; None where it is not there before.
type _Texts = dict[Path, tuple[str | None, str]]


@dataclass(slots=True)
class _Plan:
    """What is to be written: new files, and keys of `[tool.dbctl]`."""

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
    found = find(settings, find_in_project)
    plan = _Plan()
    _keep_flags(plan, settings)
    if is_new:
        _plan_new(plan, settings, found, example=example)
    else:
        if example and not _has_example(project):
            raise _no_room("it has an Alembic configuration")
        _plan_existing(plan, settings, found)
    files, texts, pyproject = _outcomes(plan, project, dry_run=dry_run)
    if not dry_run:
        _write(project, texts)
    return Init(
        project=project,
        kind="new" if is_new else "existing",
        dry_run=dry_run,
        changed=bool(texts),
        found=found,
        files=tuple(files),
        next=tuple(
            steps_after(
                texts.keys(),
                found,
                pyproject,
                example=example and is_new,
                has_dev="dev" in {*found.seeds, *plan.seeds},
            )
        ),
    )


def _here(settings: Settings) -> Settings:
    """Return the settings of the working directory where that is empty: it becomes a project.

    A folder above it may be one as well, and stays as it is.
    """
    here = Path.cwd()
    return settings if any(here.iterdir()) else settings.for_project(here)


def _with_ini(settings: Settings) -> Settings:
    """Return the settings with the one Alembic configuration below the project, where not in it."""
    if settings.alembic_config is not None or _has_configuration(settings):
        return settings
    project = settings.project
    inis = sorted(
        ini.relative_to(project)
        for pattern in _INIS
        for ini in project.glob(pattern)
        if not any(part.startswith(".") or part == "site-packages" for part in ini.parts[-3:])
    )
    if len(inis) > 1:
        raise UsageError(
            f"there are several Alembic configurations: {', '.join(map(str, inis))}",
            hint=f"Name one: `dbctl --alembic-config {inis[0]} init`.",
        )
    return settings.model_copy(update={"alembic_config": inis[0]}) if inis else settings


def _has_configuration(settings: Settings) -> bool:
    try:
        return not config_files(settings).bundled
    except NoAlembicConfig:
        return False


def _keep_flags(plan: _Plan, settings: Settings) -> None:
    """Let what the command line names, or what was found elsewhere, be named for good."""
    config, source = settings.alembic_config, settings.source_of("alembic_config")
    if config is not None and source in {"flag", "default"}:
        path = os.path.relpath(config.absolute(), settings.project) if source == "flag" else config
        plan.keys["alembic-config"] = Path(path).as_posix()
    if settings.models is not None and settings.source_of("models") == "flag":
        plan.keys["models"] = settings.models


def _plan_new(plan: _Plan, settings: Settings, found: Found, *, example: bool) -> None:
    project = settings.project
    named = settings.models or ",".join(modules_with_tables(project)) or None
    if example and named:
        raise _no_room(f"it has models, in {named}")
    home = home_of(project, named, may_create=True)
    plan.files += alembic_files(sqlmodel=named is None or _uses_sqlmodel(project, home, named))
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
    models = settings.models
    unreadable = {fault.part for fault in found.unreadable}
    if found.models is None and not unreadable & {"alembic", "models"}:
        models = ",".join(modules_with_tables(project)) or None
        if models is not None:
            plan.keys["models"] = models
    if not found.seeds and not settings.uses_example:
        models = models or ",".join(modules_with_tables(project)) or None
        _plan_seeds(plan, project, home_of(project, models, may_create=False))


def _plan_seeds(plan: _Plan, project: Path, home: Home, *, example: bool = False) -> None:
    """Name the seed set `dev`, and write its module where there is none."""
    file = starter_seeds(home)
    there = project / file.path
    if os.path.lexists(there):
        try:
            is_set = bool(_SEED_FUNCTION.search(there.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            is_set = False
        if not is_set:
            reason = "it is there, and has no `async def seed(session)`: no seed set is named"
            plan.left.append(InitFile(path=str(file.path), action="leave", reason=reason))
            return
    elif not example:
        plan.files.append(file)
    plan.seeds["dev"] = home.module("seeds")


def _uses_sqlmodel(project: Path, home: Home, models: str) -> bool:
    """Return whether the first module of the models mentions SQLModel, or its package does."""
    module = models.partition(",")[0].partition(":")[0]
    root = project / (home.folder.parts[0] if home.folder.parts[:1] == ("src",) else "")
    place = root.joinpath(*module.split("."))
    files = [place.with_suffix(".py"), *place.glob("*.py")]
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


def _outcomes(plan: _Plan, project: Path, *, dry_run: bool) -> tuple[list[InitFile], _Texts, str]:
    """Return what becomes of each file, the texts of those that change, and that of pyproject.toml.

    pyproject.toml comes last: what it names is there then.
    """
    outcomes = list(plan.left)
    texts: _Texts = {}
    for file in plan.files:
        if (reason := _in_the_way(project, file.path)) is None:
            texts[file.path] = (None, file.text)
        else:
            outcomes.append(InitFile(path=str(file.path), action="leave", reason=reason))
    tables = {"tool.dbctl": plan.keys, "tool.dbctl.seeds": plan.seeds}
    before, after = _pyproject(project, tables)
    if after not in {before, ""}:
        texts[_PYPROJECT] = (before, after)
    for path, (old, new) in texts.items():
        outcomes.append(
            InitFile(
                path=str(path),
                action="create" if old is None else "extend",
                diff=_diff(path, old, new) if dry_run else None,
            )
        )
    return sorted(outcomes, key=lambda file: file.action == "leave"), texts, after


def _in_the_way(project: Path, path: Path) -> str | None:
    """Return why a file cannot be created; None where it can."""
    if os.path.lexists(project / path):
        return "it is there already"
    for parent in path.parents[:-1]:
        if os.path.lexists(project / parent) and not (project / parent).is_dir():
            return f"{parent} is there, and is not a folder"
    return None


def _pyproject(project: Path, tables: Mapping[str, Mapping[str, str]]) -> tuple[str | None, str]:
    file = project / _PYPROJECT
    if not os.path.lexists(file):
        wanted = any(tables.values())
        return None, new_pyproject(project.name, tables) if wanted else ""
    try:
        before = file.read_bytes().decode()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"cannot read {file}: {error}", hint="Correct the file or remove it."
        ) from None
    return before, extended(before, tables)


def _diff(path: Path, old: str | None, new: str) -> str:
    lines = difflib.unified_diff(
        (old or "").splitlines(keepends=True),
        new.splitlines(keepends=True),
        "/dev/null" if old is None else f"a/{path}",
        f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _write(project: Path, texts: _Texts) -> None:
    """Write every file; where one cannot be written, remove those that were."""
    made: list[Path] = []
    try:
        for path, (before, text) in texts.items():
            file = project / path
            _make_folders(file.parent, made)
            with drafted(file) as draft:
                draft.write(text)
                draft.keep()
            if before is None:
                made.append(file)
    except BaseException:
        _remove(made)
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it that are missing, each noted in `made`."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        try:
            each.mkdir()
        except OSError as error:
            raise UsageError(
                f"cannot make the folder {each}: {error.strerror}",
                hint="Run it in a folder that may be written to.",
            ) from error
        made.append(each)


def _remove(made: Sequence[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):  # the failure itself is reported
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()
