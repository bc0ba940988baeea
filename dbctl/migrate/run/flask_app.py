"""The Flask application that the env.py of Flask-Migrate asks for its engine and its models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.migrate.discovery import ASKS_FLASK

if TYPE_CHECKING:
    from dbctl.migrate.scripts import Checkout


# What DATABASE_URL was when the application of a project was imported.
_imported_with: dict[Path, str | None] = {}


@contextmanager
def application_context(checkout: Checkout) -> Iterator[None]:
    """Push the context of the application where env.py imports Flask's `current_app`.

    The application is the one that `flask db` would load: FLASK_APP, else `wsgi.py` or `app.py`.
    Raises ConfigurationError where Flask finds none.
    """
    if not ASKS_FLASK.search(checkout.env_py.read_text(encoding="utf-8", errors="replace")):
        yield
        return
    # Only such a project has it installed.
    from flask.cli import NoAppException, ScriptInfo

    _forget_application_of_another_database(checkout.folder)
    named = checkout.settings.app
    try:
        application = ScriptInfo(app_import_path=named).load_app()
    except NoAppException as error:
        raise ConfigurationError(
            f"{checkout.env_label} needs the Flask application"
            + (f" {named}" if named else "")
            + f", which Flask cannot load: {str(error).strip()}",
            hint="Set FLASK_APP, or app in [tool.dbctl], as for `flask db`.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    with application.app_context():
        yield


def _forget_application_of_another_database(project: Path) -> None:
    """Let the modules of a project be imported anew where DATABASE_URL is not what it was.

    An application that is made at import has read it by then.
    """
    url = os.environ.get("DATABASE_URL")
    if _imported_with.setdefault(project, url) == url:
        return
    _imported_with[project] = url
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "/")
        if file.is_relative_to(project) and "site-packages" not in file.parts:
            del sys.modules[name]
