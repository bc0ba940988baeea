"""The Flask application that the env.py of Flask-Migrate asks for its engine and its models."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbctl.errors import ConfigurationError, ErrorCode
from dbctl.migrate.discovery import ASKS_FLASK

if TYPE_CHECKING:
    from dbctl.migrate.scripts import Checkout


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
