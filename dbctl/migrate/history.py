"""List the revisions of the checkout, and make a new one."""

import re
from contextlib import suppress
from pathlib import Path

from alembic import command
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.metadata import PROJECT_CODE_ERRORS, located
from dbctl.errors import ConfigurationError, ErrorCode, UsageError
from dbctl.migrate.config_files import MAKE_CONFIG
from dbctl.migrate.ledger_results import Log
from dbctl.migrate.results import History, HistoryEntry, NewRevision
from dbctl.migrate.scripts import Checkout, describe, parents


async def read_log(
    connection: AsyncConnection, checkout: Checkout, database: str, *, limit: int | None = None
) -> Log:
    """Return the newest `limit` rows of the ledger, or all."""
    return await checkout.store.read_log(connection, checkout, database, limit=limit)


async def read_history(connection: AsyncConnection, checkout: Checkout, database: str) -> History:
    """Return every revision of the checkout, the newest first, and which the database has."""
    current, _ = await checkout.store.read_version(connection)
    known = tuple(filter(checkout.knows, current))
    standing = checkout.standing(known)
    applied = {script.revision for script in checkout.path((), standing)} if known else set()
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
        searched=checkout.folders,
    )


def new_revision(checkout: Checkout, message: str) -> NewRevision:
    """Write an empty revision after the head, from the project's template.

    Raises UsageError for a message without a word, ConfigurationError where the only revisions
    are the example's or where there are several heads.
    """
    if not re.search(r"\w", message):
        raise UsageError(
            "the message of a revision cannot be empty",
            hint="Say what it does: `dbctl migrate new 'add due date'`.",
        )
    if checkout.bundled:
        raise ConfigurationError(
            "this project has no revisions of its own: those in use are the example's",
            hint=f"{MAKE_CONFIG}.",
        )
    folder = Path(checkout.scripts.versions)
    there = set(folder.glob("*.py"))
    try:
        script = command.revision(checkout.config, message=message)
    except OSError as error:
        _remove(set(folder.glob("*.py")) - there)
        raise ConfigurationError(
            f"cannot write a revision to {folder}: {error.strerror or error}",
            hint="Correct the permissions of the folder.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    except CommandError as error:
        raise ConfigurationError(
            str(error),
            hint="Merge the heads: `alembic merge heads`.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    except PROJECT_CODE_ERRORS as error:
        _remove(set(folder.glob("*.py")) - there)
        raise ConfigurationError(
            f"the template does not make a revision of this message: {located(error)}",
            hint="Look at script.py.mako, or leave quotes and backslashes out of the message.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    assert isinstance(script, Script)  # noqa: S101 - a list only comes from autogenerate
    return NewRevision(
        revision=script.revision, message=message, down_revisions=parents(script), path=script.path
    )


def _remove(broken: set[Path]) -> None:
    """Remove half-written revisions, which would stop every later command."""
    for path in broken:
        with suppress(OSError):
            path.unlink()
