"""Run a project's env.py for what it configures, without a database."""

from __future__ import annotations

import logging.config
from typing import Any, NoReturn
from unittest.mock import patch

from sqlalchemy import MetaData

from dbctl.db.metadata import PROJECT_CODE_ERRORS, located
from dbctl.errors import ConfigurationError, DbctlError, ErrorCode
from dbctl.migrate.alembic_environment import Environment
from dbctl.migrate.scripts import open_scripts
from dbctl.settings import Settings


def env_metadata(settings: Settings) -> tuple[MetaData, ...]:
    """Return the `target_metadata` that env.py gives Alembic; empty where it gives none.

    Must not be called while an event loop runs in this thread. Raises ConfigurationError, code
    `migration_scripts`, where env.py fails or configures nothing.
    """
    config, scripts = open_scripts(settings)
    try:
        with (
            patch.object(logging.config, "fileConfig"),
            patch.object(logging.config, "dictConfig"),
            _Environment(config, scripts, as_sql=True),
        ):
            scripts.run_env()
    except _Configured as configured:
        found = configured.target_metadata
        return (found,) if isinstance(found, MetaData) else tuple(found or ())
    except PROJECT_CODE_ERRORS as error:
        for known in (error, error.__cause__):  # Alembic's command line gets a CommandError
            if isinstance(known, DbctlError):
                raise known from error
        raise ConfigurationError(
            f"{scripts.env_py_location} failed: {located(error)}",
            hint="Run `alembic heads` and `alembic upgrade head --sql`: they must work there.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    raise ConfigurationError(
        f"{scripts.env_py_location} never calls context.configure",
        hint="Compare it with the env.py that `alembic init` writes.",
        code=ErrorCode.MIGRATION_SCRIPTS,
    )


class _Configured(BaseException):
    """Ends env.py once it has configured Alembic."""

    def __init__(self, target_metadata: Any) -> None:
        super().__init__()
        self.target_metadata = target_metadata


class _Environment(Environment):
    """An offline run of env.py that ends at `context.configure`."""

    def configure(self, *_connection: Any, **options: Any) -> NoReturn:
        """Raise _Configured with the metadata."""
        raise _Configured(options.get("target_metadata"))
