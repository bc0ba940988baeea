"""Find the database that a project names itself: the one that its env.py connects to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from dbctl.db.endpoints import ENV_PY, INI
from dbctl.errors import ConfigurationError
from dbctl.migrate.discovery import ASKS_DBCTL
from dbctl.migrate.run.learn import Learned, learn
from dbctl.migrate.scripts import open_env
from dbctl.settings import Settings

type Run = Callable[[Callable[[], Coroutine[Any, Any, Learned]]], Learned]


def find_in_project(
    settings: Settings, run: Run, on_notice: Callable[[str], None]
) -> tuple[str, str] | None:
    """Return the URL of the engine that env.py gives Alembic, and what it was taken from.

    None where the project has no env.py, where that asks dbctl for its database, and where it
    names none, of which `on_notice` hears. `run` runs a coroutine in an event loop of its own.
    Raises ConnectionFailed where env.py cannot connect.
    """
    try:
        checkout = open_env(settings)
        if ASKS_DBCTL.search(checkout.env_py.read_text(encoding="utf-8", errors="replace")):
            return None
    except (ConfigurationError, OSError):  # what needs the revisions says so itself
        return None
    try:
        learned = run(lambda: learn(checkout))
    except ConfigurationError as error:
        if checkout.ini_url is not None:
            return checkout.ini_url.render_as_string(hide_password=False), INI
        if not settings.environment.is_deployed:
            on_notice(f"{error.message}: it names no database until it is given one")
        return None
    return learned.records[0].url, ENV_PY
