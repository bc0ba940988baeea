"""The seed sets of a project: found in its pyproject.toml, imported, called."""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from dbctl.db.metadata import PROJECT_CODE_ERRORS, make_importable
from dbctl.errors import ConfigurationError, ErrorCode, UsageError
from dbctl.redaction import scrub
from dbctl.settings import Settings, project_table

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

SHIPPED = "dbctl.seed.sets.dev"
_FUNCTION = "seed"
_WRITE = 'Write NAME = "package.module" or NAME = "package.module:function" there.'

type SeedFunction = Callable[[AsyncSession], AsyncGenerator[object]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A set as it is named: in `[tool.dbctl.seeds]` of `file`, or by dbctl where that is None."""

    name: str
    source: str
    file: Path | None

    @property
    def origin(self) -> str:
        """Where it is named, for people."""
        return f"{self.name} in [tool.dbctl.seeds] of {self.file}" if self.file else self.source


@dataclass(frozen=True, slots=True)
class SeedSet:
    """A set that can be run; `description` is the first line of its docstring."""

    entry: Entry
    function: SeedFunction
    description: str


def entries(settings: Settings) -> dict[str, Entry]:
    """Return the sets of the project by name; where it uses the example, `dev` is among them.

    Raises ConfigurationError for what is not the name of a function or a module.
    """
    file = settings.project / "pyproject.toml"
    found = {}
    for name, source in project_table(settings, "seeds").items():
        if not isinstance(source, str) or not _is_reference(source):
            raise ConfigurationError(
                f"{name} in [tool.dbctl.seeds] of {file}: {source!r} is not the name of a module "
                "or function",
                hint=_WRITE,
            )
        found[name] = Entry(name, source, file)
    if "dev" not in found and settings.uses_example:
        found["dev"] = Entry("dev", SHIPPED, None)
    return dict(sorted(found.items()))


def _is_reference(source: str) -> bool:
    module, colon, function = source.partition(":")
    return all(part.isidentifier() for part in module.split(".")) and (
        function.isidentifier() if colon else True
    )


def find(settings: Settings, name: str) -> Entry:
    """Return the set of that name.

    Raises UsageError with those there are where it is none.
    """
    known = entries(settings)
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {nearest[0]}? " if nearest else ""
    if known:
        hint += f"There {'are' if len(known) > 1 else 'is'} {', '.join(known)}."
    elif name == "dev":
        hint = (
            f'Write it: dev = "app.seeds" under [tool.dbctl.seeds] in '
            f"{settings.project / 'pyproject.toml'}, and in app/seeds.py "
            f"`async def {_FUNCTION}(session):` with a `yield` of each row. "
            "`dbctl init` starts one."
        )
    else:
        hint = f"Name one in [tool.dbctl.seeds] of {settings.project / 'pyproject.toml'}: {_WRITE}"
    raise UsageError(f"there is no seed set {name}", hint=hint, code=ErrorCode.NOT_FOUND)


def load(settings: Settings, entry: Entry) -> SeedSet:
    """Import a set from the project's folder.

    The models should have been imported: one may refer to another that the set does not need.
    Raises ConfigurationError that names its line of pyproject.toml where the module cannot be
    imported or has no such async generator function.
    """
    make_importable(settings)
    path, _, function_name = entry.source.partition(":")
    try:
        module = import_module(path)
    except PROJECT_CODE_ERRORS as error:
        raise ConfigurationError(
            f"{entry.origin}: importing {path} failed: {described(error, settings.project)}",
            hint="It is imported from the project's folder; name the module as Python would."
            if isinstance(error, ModuleNotFoundError)
            else "Correct what its code does on import.",
        ) from error
    function = getattr(module, function_name or _FUNCTION, None)
    if not callable(function):
        raise ConfigurationError(
            f"{entry.origin}: {path} has no function {function_name or _FUNCTION}",
            hint=_suggestion(module, path),
        )
    if not inspect.isasyncgenfunction(inspect.unwrap(function)):
        raise ConfigurationError(
            f"{entry.origin}: {function_name or _FUNCTION} of {path} is no async generator",
            hint=f"Write `async def {function_name or _FUNCTION}(session):` with a `yield` of "
            "each row.",
        )
    documented = function.__doc__ or ("" if function_name else module.__doc__)
    return SeedSet(entry, function, next(iter((documented or "").strip().splitlines()), ""))


def _suggestion(module: ModuleType, path: str) -> str:
    generators = [name for name, value in vars(module).items() if inspect.isasyncgenfunction(value)]
    if generators:
        return f'Name the one that is meant: "{path}:{generators[0]}".'
    return f"Write `async def {_FUNCTION}(session):` there, with a `yield` of each row."


def described(error: BaseException, project: Path) -> str:
    """Describe an exception with the place in the project's own code that it came through."""
    # The project's code has the connection string too, and may have put it into the message.
    return f"{type(error).__name__}: {scrub(str(error))}{place(error, project)}"


def place(error: BaseException, project: Path) -> str:
    """Return the last line of the project's own that `error` came through: ` (file:line)`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_own(frame.filename, project)]
    last = (own or [frame for frame in frames if not frame.filename.startswith("<")])[-1:]
    return "".join(f" ({frame.filename}:{frame.lineno})" for frame in last)


def _is_own(filename: str, project: Path) -> bool:
    path = Path(filename)
    return path.is_relative_to(project) and not {"site-packages", ".venv"} & set(path.parts)
