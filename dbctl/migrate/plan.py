"""Plan a run: the exact SQL of each revision, and what each statement locks."""

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path

from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.apply import read_job
from dbctl.migrate.catalogue.describe import describe
from dbctl.migrate.catalogue.effects import Effect, effect_of_text
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
from dbctl.migrate.statements import Assessment, assess

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
        return await plan_of(manager, checkout, direction, jobs, preambles, describes=True)


async def describe_pending(
    manager: DatabaseSessionManager, checkout: Checkout, target: str
) -> list[tuple[Rendered, list[Effect]]]:
    """Return what an upgrade to `target` would run on every database, with its effects there."""
    async with databases(checkout, manager) as found:
        jobs = [await read_job(each, checkout, "up", target) for each in found]
        sought = [
            Sought(job.steps, job.before, each.record)
            for each, job in zip(found, jobs, strict=True)
        ]
        pending: list[tuple[Rendered, list[Effect]]] = []
        for database, rendered in zip(found, await render(checkout, manager, sought), strict=True):
            pending += zip(rendered, await _described(rendered, database), strict=True)
        return pending


async def plan_of(
    manager: DatabaseSessionManager,
    checkout: Checkout,
    direction: Direction,
    jobs: Sequence[tuple[Database, Job]],
    preambles: Sequence[str] = (),
    *,
    describes: bool = False,
) -> Plan:
    """Return the plan of what is to be done to each database; `preambles` is what dbctl runs.

    With `describes` the catalogue is asked what each statement reaches; the hash needs none of it.
    """
    sought = [Sought(job.steps, job.before, database.record) for database, job in jobs]
    rendered = await render(checkout, manager, sought)
    plans = []
    for each, (database, job), preamble in zip(
        rendered, jobs, preambles or [""] * len(jobs), strict=True
    ):
        plan = make_plan(
            each,
            database=database.label,
            direction=direction,
            before=job.before,
            after=heads_after(job.steps, job.before),
            effects=await _described(each, database) if describes else None,
            preamble=preamble,
        )
        plans.append(plan)
    return together(plans)


async def _described(rendered: Sequence[Rendered], database: Database) -> list[list[Effect]]:
    """Return the effects of each step on a database, as its catalogue shows them."""
    record, assessed = database.record, assess_all(rendered)
    async with database.manager.connect() as connection:
        return await describe(connection, record.search_path, record.time_zone, assessed)


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
    effects: Sequence[Sequence[Effect]] | None = None,
    preamble: str = "",
) -> Plan:
    """Return the plan of steps that were rendered; a table that one creates locks nobody out.

    `effects` are those of the statements of each step, by default what their text says.
    """
    if effects is None:
        effects = [[effect_of_text(one) for one in each] for each in assess_all(rendered)]
    revisions = tuple(map(_planned, rendered, effects))
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


def assess_all(rendered: Sequence[Rendered]) -> list[list[Assessment]]:
    """Return what the text says of the own statements of each step, run in this order."""
    created: set[str] = set()
    assessed: list[list[Assessment]] = []
    for each in rendered:
        assessed.append([])
        for statement in each.statements:
            if statement.kind is Kind.REVISION:
                assessed[-1].append(assess(statement.sql, created))
                created.update(assessed[-1][-1].creates)
    return assessed


def _planned(rendered: Rendered, effects: Sequence[Effect]) -> PlannedRevision:
    script = rendered.script
    left = iter(effects)
    return PlannedRevision(
        revision=script.revision,
        message=script.doc or "",
        path=script.path,
        sha256=fingerprint(Path(script.path)),
        rendered=rendered.reason is None,
        reason=rendered.reason,
        line=rendered.line,
        statements=tuple(
            _described_as(each, next(left)) if each.kind is Kind.REVISION else _plain(each)
            for each in rendered.statements
        ),
    )


def _plain(statement: Statement) -> PlannedStatement:
    return PlannedStatement(
        sql=statement.sql,
        kind=statement.kind,
        line=statement.line,
        transactional=statement.transactional,
    )


def _described_as(statement: Statement, effect: Effect) -> PlannedStatement:
    locks = [
        TableLock(
            table=lock.table,
            level=lock.level,
            blocks=lock.level.blocks,
            reason=lock.reason or None,
            certain=lock.certain,
            rows=lock.rows,
            bytes=lock.bytes,
        )
        for lock in effect.locks
    ]
    return _plain(statement).model_copy(
        update={
            "locks": tuple(locks),
            "work": effect.work,
            "losses": tuple(
                DataLoss(table=loss.table, column=loss.column, oid=effect.oids.get(loss.table))
                for loss in effect.losses
            ),
            "note": effect.note,
            "index": effect.index,
            "known": effect.known,
            "refused": _REFUSED if statement.transactional and not effect.transactional else None,
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
