"""Find the database that a project names itself: the one that its env.py connects to."""

from __future__ import annotations

from collections.abc import Callable

from dbctl.db.endpoints import ENV_PY, INI
from dbctl.errors import ConfigurationError
from dbctl.migrate.discovery import ASKS_DBCTL
from dbctl.migrate.run.learn import learn
from dbctl.migrate.scripts import open_env
from dbctl.output import notice
from dbctl.runtime import run
from dbctl.settings import Settings


def find_in_project(
    settings: Settings, on_failure: Callable[[ConfigurationError], object] | None = None
) -> tuple[str, str] | None:
    """Return the URL of the engine that env.py gives Alembic, and what it was taken from.

    None where the project has no env.py, where that asks dbctl for its database, and where it
    names none; then `on_failure`, where given, has the reason in place of stderr. Raises
    ConnectionFailed where it cannot connect.
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
        if on_failure is not None:
            on_failure(error)
        if checkout.ini_url is not None:
            return checkout.ini_url.render_as_string(hide_password=False), INI
        if on_failure is None and not settings.environment.is_deployed:
            notice(f"{error.message}: it names no database until it is given one")
        return None
    return learned.records[0].url, ENV_PY
