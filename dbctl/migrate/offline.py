"""Render the SQL of a run instead of making it."""

import io

from alembic import command
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.errors import ErrorCode, OperationFailed
from dbctl.migrate.results import Script
from dbctl.migrate.scripts import Checkout, located, refusals
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
        except (AttributeError, TypeError) as error:  # there is no connection to ask
            raise OperationFailed(
                f"a revision cannot be rendered as SQL: {located(error)}",
                hint="It asks the database something; run it with `dbctl migrate up`.",
                code=ErrorCode.MIGRATION_FAILED,
            ) from error
    return Script(database=database, before=before, after=after, sql=buffer.getvalue())
