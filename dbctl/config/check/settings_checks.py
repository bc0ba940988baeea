"""What is wrong with the settings, and with the tables of `[tool.dbctl]` that groups read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator

from dbctl.config.check.results import Checked, Problem, Subject, Verdict, ok
from dbctl.errors import ConfigurationError
from dbctl.faults import UnknownKey
from dbctl.health.registry import CHECKS
from dbctl.health.thresholds import configure
from dbctl.inspect.data.cost import max_cost
from dbctl.inspect.sensitive.configured import configured
from dbctl.named_databases import VariableUnset, database_names, named_database
from dbctl.project import tool_table
from dbctl.seed.generate.overrides import configured_overrides
from dbctl.seed.sets.registry import entries
from dbctl.settings import GROUP_TABLES, Settings, project_table

_FILE = "pyproject.toml"
_TABLES: dict[str, Callable[[Settings], object]] = {
    "generate": lambda settings: list(configured_overrides(settings)),
    "health": lambda settings: configure(CHECKS, project_table(settings, "health"), ()),
    "inspect": max_cost,
    "mask": configured,
    "seeds": entries,
}


def settings_checks(settings: Settings) -> Iterator[Checked]:
    """Yield every fault of the settings, each once."""
    seen: set[str] = set()
    found = False
    for checked in _all(settings):
        if checked.message not in seen:
            seen.add(checked.message)
            found = found or checked.verdict is Verdict.OBSTACLE
            yield checked
    if not found:
        yield ok(Subject.SETTINGS, f"environment {settings.environment}")


def _all(settings: Settings) -> Iterator[Checked]:
    for fault in settings.faults:
        yield _fault(fault.error, fault.source)
    yield from _unknown_tables(settings)
    for group, read in _TABLES.items():
        try:
            read(settings)
        except ConfigurationError as error:
            yield _fault(error, f"[tool.dbctl.{group}]")
    try:
        names = database_names(settings.project)
    except ConfigurationError as error:
        yield _fault(error, "[tool.dbctl.databases]")
        return
    for name in names:
        try:
            named_database(settings.project, name, settings.dotenv)
        except ConfigurationError as error:
            yield _fault(error, "[tool.dbctl.databases]", is_used=False)


def _unknown_tables(settings: Settings) -> Iterator[Checked]:
    path = settings.project / _FILE
    try:
        table = tool_table(path)
    except (OSError, ValueError):  # a fault of the settings
        return
    for key, value in table.items():
        if isinstance(value, dict) and key not in GROUP_TABLES:
            nearest = difflib.get_close_matches(key, GROUP_TABLES, n=1)
            known = ", ".join(sorted(GROUP_TABLES))
            hint = f"Did you mean [tool.dbctl.{nearest[0]}]?" if nearest else f"There are {known}."
            yield _fault(
                UnknownKey(f"unknown table [tool.dbctl.{key}] in {path}", hint=hint), _FILE
            )


def _fault(error: ConfigurationError, origin: str, *, is_used: bool = True) -> Checked:
    code, verdict = Problem.SETTING_INVALID, Verdict.OBSTACLE
    if isinstance(error, UnknownKey):
        code = Problem.SETTING_UNKNOWN
    elif isinstance(error, VariableUnset):
        code = Problem.DATABASE_UNSET
        # Nobody has the connection string of every database at hand.
        verdict = Verdict.OBSTACLE if is_used else Verdict.WARNING
    return Checked(
        subject=Subject.SETTINGS,
        verdict=verdict,
        code=code,
        message=error.message,
        origin=origin,
        remedy=error.hint,
    )
