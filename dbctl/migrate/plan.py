"""Plan a run: the exact SQL of each revision, and what each statement locks."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.migrate import scripts
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.offline import Rendered, Statement, heads_after, render
from dbctl.migrate.plan_results import (
    DataLoss,
    Kind,
    Plan,
    PlannedRevision,
    PlannedStatement,
    TableLock,
)
from dbctl.migrate.results import Direction
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.statements import assess


async def read_plan(
    connection: AsyncConnection,
    checkout: Checkout,
    database: str,
    *,
    direction: Direction,
    target: str,
    preamble: str = "",
) -> Plan:
    """Return what a run from where the database is to `target` would do; write nothing.

    `preamble` is what dbctl itself would run first. Leaves the connection in no transaction.
    Raises UsageError for a target that does not exist or does not lie in that direction, and
    FindingError where the database is at a revision that the checkout does not have.
    """
    before, _ = await checkout.store.read_version(connection)
    steps = scripts.steps(checkout, direction, target, before)
    return make_plan(
        render(checkout, steps, before),
        database=database,
        direction=direction,
        before=before,
        after=heads_after(steps, before),
        preamble=preamble,
    )


def make_plan(
    rendered: Sequence[Rendered],
    *,
    database: str,
    direction: Direction,
    before: tuple[str, ...],
    after: tuple[str, ...],
    preamble: str = "",
) -> Plan:
    """Return the plan of steps that were rendered; a table that one creates locks nobody out."""
    created: set[str] = set()
    revisions = tuple(_planned(each, created) for each in rendered)
    return Plan(
        database=database,
        direction=direction,
        before=before,
        after=after,
        hash=_hash(direction, before, revisions),
        preamble=preamble.strip() if revisions else "",
        revisions=revisions,
    )


def _planned(rendered: Rendered, created: set[str]) -> PlannedRevision:
    script = rendered.script
    return PlannedRevision(
        revision=script.revision,
        message=script.doc or "",
        path=script.path,
        sha256=fingerprint(Path(script.path)),
        rendered=rendered.reason is None,
        reason=rendered.reason,
        line=rendered.line,
        statements=tuple(_assessed(each, created) for each in rendered.statements),
    )


def _assessed(statement: Statement, created: set[str]) -> PlannedStatement:
    """Describe a statement, and add the tables that it creates to `created`."""
    planned = PlannedStatement(
        sql=statement.sql,
        kind=statement.kind,
        line=statement.line,
        transactional=statement.transactional,
    )
    if statement.kind is not Kind.REVISION:
        return planned
    told = assess(statement.sql, created)
    created.update(told.creates)
    return planned.model_copy(
        update={
            "locks": tuple(
                TableLock(table=table, level=level, blocks=level.blocks)
                for table, level in told.locks
            ),
            "work": told.work,
            "losses": tuple(DataLoss(table=loss.table, column=loss.column) for loss in told.losses),
            "note": told.note,
            "index": told.index,
            "known": told.known,
        }
    )


def _hash(
    direction: Direction, before: Sequence[str], revisions: Collection[PlannedRevision]
) -> str:
    """Return the SHA-256 in hexadecimal of what a reviewer agrees to.

    The bookkeeping follows from it, but Alembic words that of a merge differently each time; a
    reason would name the files of the machine that it was given on.
    """
    facts = [
        [
            revision.revision,
            revision.sha256,
            [
                [statement.sql, statement.transactional]
                for statement in revision.statements
                if statement.kind is not Kind.BOOKKEEPING
            ],
            revision.rendered,
        ]
        for revision in revisions
    ]
    return hashlib.sha256(json.dumps([direction, before, facts]).encode()).hexdigest()
