"""List the revisions of the checkout, and make a new one."""

import re

from alembic import command
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.errors import ConfigurationError, ErrorCode, UsageError
from dbctl.migrate.results import History, HistoryEntry, NewRevision
from dbctl.migrate.scripts import Checkout, bundled_config, describe, located, parents
from dbctl.migrate.status import read_version


async def read_history(connection: AsyncConnection, checkout: Checkout, database: str) -> History:
    """Return every revision of the checkout, the newest first, and which the database has."""
    current, _ = await read_version(connection)
    known = tuple(filter(checkout.knows, current))
    applied = {script.revision for script in checkout.path((), known)} if known else set()
    heads = checkout.heads
    return History(
        database=database,
        current=current,
        revisions=tuple(
            HistoryEntry(
                **describe(script).model_dump(),
                applied=script.revision in applied,
                is_head=script.revision in heads,
                is_current=script.revision in current,
                path=script.path,
            )
            for script in checkout.scripts.walk_revisions()
        ),
    )


def new_revision(checkout: Checkout, message: str) -> NewRevision:
    """Write an empty revision after the head, from the project's template.

    Raises UsageError for a message without a word, ConfigurationError where the only revisions
    are those that ship with dbctl or where there are several heads.
    """
    if not re.search(r"\w", message):
        raise UsageError(
            "the message of a revision cannot be empty",
            hint="Say what it does: `dbctl migrate new 'add due date'`.",
        )
    if (
        checkout.config.config_file_name == str(bundled_config())
        and not (bundled_config().parent / "pyproject.toml").is_file()
    ):
        raise ConfigurationError(
            "this project has no revisions of its own: those in use ship with dbctl",
            hint="Make them with `alembic init -t async alembic`, or set DBCTL_ALEMBIC_CONFIG.",
        )
    try:
        script = command.revision(checkout.config, message=message)
    except Exception as error:  # the template is the project's code
        raise ConfigurationError(
            str(error) if isinstance(error, CommandError) else located(error),
            hint="`dbctl migrate history` shows the heads.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    assert isinstance(script, Script)  # noqa: S101 - a list only comes from autogenerate
    return NewRevision(
        revision=script.revision, message=message, down_revisions=parents(script), path=script.path
    )
