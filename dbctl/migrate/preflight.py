"""What would stop a run half-way, and is known before it begins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.ddl import impl
from alembic.runtime.migration import RevisionStep
from alembic.script import Script
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from dbctl.db.drivers import ends_transaction
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.names import quote
from dbctl.db.queries import query
from dbctl.errors import ConfigurationError, ErrorCode, OperationFailed
from dbctl.migrate.results import Direction
from dbctl.migrate.run.databases import Database
from dbctl.migrate.run.execution import Job
from dbctl.migrate.scripts import Checkout

if TYPE_CHECKING:
    from dbctl.migrate.plan_results import Plan

# Words of what the server runs outside of a transaction only.
_ALONE = re.compile(
    rb"concurrently|reindex|vacuum|cluster|alter\s+system|detach\s+partition"
    rb"|(create|drop)\s+(database|tablespace|subscription)",
    re.IGNORECASE,
)
# Characters of a statement in a message.
_SHOWN = 120
# What Alembic makes the column for.
_USUAL_WIDTH = 32


async def refuse_long_ids(
    database: Database, checkout: Checkout, scripts: Iterable[Script | None]
) -> None:
    """Raise ConfigurationError where the version table cannot take the id of one of `scripts`."""
    found = [script for script in scripts if script is not None]
    if not found:
        return
    record = database.record
    async with database.manager.connect() as connection:
        rows = await connection.execute(
            text(query("migrate", "version_width")),
            {"version_schema": record.version_schema, "version_table": record.version_table},
        )
        row = rows.one_or_none()
    width = _width_to_be() if row is None else row.width
    for script in found:
        length = len(script.revision)
        if width is None or length <= width:
            continue
        named = quote(record.version_table)
        if record.version_schema is not None:
            named = f"{quote(record.version_schema)}.{named}"
        shorten = f"Shorten `revision` in {checkout.file_of(script)}"
        wider = f"ALTER TABLE {named} ALTER COLUMN version_num TYPE varchar({max(length, 255)})"
        raise ConfigurationError(
            f"the id of the revision {script.revision} ({checkout.file_of(script)}) has {length} "
            f"characters, and the version table, {record.version_label}, takes {width}",
            hint=f"{shorten}." if row is None else f"{shorten}, or first: {wider};",
            code=ErrorCode.MIGRATION_SCRIPTS,
        )


async def doomed(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    direction: Direction,
    jobs: Sequence[tuple[Database, Job]],
) -> list[OperationFailed | None]:
    """Return for each database why the server is bound to refuse a statement of the run, or None.

    That is one that it runs outside of a transaction only, as its catalogue may show. Only files
    that have a word of such a statement are rendered.
    """
    if not _has_suspects({step.revision.path for _, job in jobs for step in job.steps}):
        return [None] * len(jobs)
    # It imports what reads statements, which nearly no run needs.
    from dbctl.migrate.plan import plan_of

    plan = await plan_of(manager, checkout, direction, jobs, describes=True)
    return [_refusal(checkout, each) for each in plan.databases or (plan,)]


def _has_suspects(files: Iterable[str]) -> bool:
    texts = [Path(file).read_bytes() for file in files]
    # One that knows of the block is trusted: to render it is to run its Python once more.
    return any(_ALONE.search(text) and b"autocommit_block" not in text for text in texts)


def _refusal(checkout: Checkout, plan: Plan) -> OperationFailed | None:
    for revision in plan.revisions:
        for statement in revision.statements:
            if ends_transaction(statement.sql):  # a revision that knows what it does
                break
            if statement.refused:
                script = checkout.scripts.get_revision(revision.revision)
                shown = " ".join(statement.sql.split())
                return OperationFailed(
                    f"revision {revision.revision} ({checkout.file_of(script)}) cannot run "
                    f"`{shown[:_SHOWN]}`: {statement.refused}",
                    hint="Nothing was run; correct the file and run the command again.",
                    code=ErrorCode.MIGRATION_FAILED,
                )
    return None


def written_by(steps: Iterable[RevisionStep]) -> list[Script]:
    """Return the revisions whose ids the steps of a run record."""
    return [step.revision for step in steps if step.is_upgrade]


def _width_to_be() -> int | None:
    """Return how many characters the version table will take; a project may make its own."""
    try:
        own = impl.DefaultImpl.get_by_dialect(postgresql.dialect())  # type: ignore[no-untyped-call]
        made = own(postgresql.dialect(), None, False, True, None, {})  # type: ignore[no-untyped-call]
        table = made.version_table_impl(
            version_table="alembic_version", version_table_schema=None, version_table_pk=True
        )
        width: int | None = getattr(table.c.version_num.type, "length", None)
    except Exception:  # whatever a project's own class takes
        return _USUAL_WIDTH
    return width
