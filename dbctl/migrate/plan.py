"""Plan a run: the exact SQL of each revision, and what each statement locks."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.apply import read_job
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.offline import Rendered, Sought, Statement, heads_after, render
from dbctl.migrate.plan_results import (
    DataLoss,
    Kind,
    Plan,
    PlannedRevision,
    PlannedStatement,
    TableLock,
)
from dbctl.migrate.results import Direction
from dbctl.migrate.run.databases import Database, databases
from dbctl.migrate.run.execution import Job
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.statements import assess

_REFUSED = (
    "the server does not run it in a transaction: put it into `with "
    "op.get_context().autocommit_block():`"
)


async def read_plan(
    manager: DatabaseSessionManager, checkout: Checkout, *, direction: Direction, target: str
) -> Plan:
    """Return what a run from where the databases are to `target` would do; write nothing.

    Raises UsageError for a target that does not exist or does not lie in that direction, and
    FindingError where a database is at a revision that the checkout does not have.
    """
    async with databases(checkout, manager) as found:
        jobs = [(each, await read_job(each, checkout, direction, target)) for each in found]
        preambles = []
        for each in found:
            async with each.manager.connect() as connection:
                preambles.append(await each.store.preamble(connection))
        return await plan_of(manager, checkout, direction, jobs, preambles)


async def render_pending(
    manager: DatabaseSessionManager, checkout: Checkout, target: str
) -> list[Rendered]:
    """Return what an upgrade to `target` would run, on every database."""
    async with databases(checkout, manager) as found:
        jobs = [await read_job(each, checkout, "up", target) for each in found]
        sought = [
            Sought(job.steps, job.before, each.record)
            for each, job in zip(found, jobs, strict=True)
        ]
        return [each for some in await render(checkout, manager, sought) for each in some]


async def plan_of(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    direction: Direction,
    jobs: Sequence[tuple[Database, Job]],
    preambles: Sequence[str] = (),
) -> Plan:
    """Return the plan of what is to be done to each database; `preambles` is what dbctl runs."""
    sought = [Sought(job.steps, job.before, database.record) for database, job in jobs]
    rendered = await render(checkout, manager, sought)
    plans = [
        make_plan(
            each,
            database=database.label,
            direction=direction,
            before=job.before,
            after=heads_after(job.steps, job.before),
            preamble=preamble,
        )
        for each, (database, job), preamble in zip(
            rendered, jobs, preambles or [""] * len(jobs), strict=True
        )
    ]
    return together(plans)


def together(plans: Sequence[Plan]) -> Plan:
    """Return one plan for all databases: that of the first where there is no other."""
    first = plans[0]
    if len(plans) == 1:
        return first
    hashes = [each.hash for each in plans]
    return first.model_copy(
        update={
            "database": ", ".join(each.database for each in plans),
            "hash": None if None in hashes else _digest("".join(map(str, hashes))),
            "preamble": "",
            "revisions": tuple(revision for each in plans for revision in each.revisions),
            "databases": tuple(plans),
        }
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
    refused = any(each.refused for revision in revisions for each in revision.statements)
    return Plan(
        database=database,
        direction=direction,
        before=before,
        after=after,
        hash=None if refused else _hash(direction, before, revisions),
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
            "refused": _REFUSED if statement.transactional and not told.transactional else None,
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
    return _digest(json.dumps([direction, before, facts]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
