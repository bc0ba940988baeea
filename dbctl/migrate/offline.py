"""Render the SQL of a run instead of making it."""

import io

from alembic import command
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.errors import ErrorCode, OperationFailed
from dbctl.migrate.results import Script
from dbctl.migrate.scripts import PROJECT_CODE_ERRORS, Checkout, located, refusals
from dbctl.migrate.status import read_version


async def render(
    connection: AsyncConnection, checkout: Checkout, database: str, *, target: str
) -> Script:
    """Return the SQL that would bring the database from where it is up to `target`.

    Raises UsageError for a target that does not exist, OperationFailed where a revision reads
    data and so cannot be rendered without running it.
    """
    before, _ = await read_version(connection)
    buffer = io.StringIO()
    checkout.config.output_buffer = buffer
    with refusals(checkout, target):
        after = tuple(
            script.revision for script in checkout.scripts.get_revisions(target) if script
        )
        try:
            command.upgrade(
                checkout.config, f"{before[0] if before else 'base'}:{target}", sql=True
            )
        except CommandError:
            raise
        except PROJECT_CODE_ERRORS as error:  # such as for want of a connection to ask
            raise OperationFailed(
                f"the revisions cannot be rendered as SQL: {located(error)}",
                hint="It may ask the database something; then only `dbctl migrate up` can run it.",
                code=ErrorCode.MIGRATION_FAILED,
            ) from error
    return Script(database=database, before=before, after=after, sql=buffer.getvalue())
