"""Look at a run before it is made: what it would lose, and whether it is the one agreed to."""

from collections.abc import Callable, Sequence

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.catalog import fetch
from dbctl.db.engine import DatabaseSessionManager
from dbctl.db.names import quote
from dbctl.errors import ErrorCode, RefusedError
from dbctl.migrate.apply import Review
from dbctl.migrate.plan import plan_of, read_plan
from dbctl.migrate.plan_results import Downgrade, EstimatedLoss, Plan
from dbctl.migrate.results import Direction
from dbctl.migrate.run.databases import Database
from dbctl.migrate.run.execution import Job
from dbctl.migrate.scripts import Checkout

# A table that was never analysed is counted so far.
_MOST_COUNTED = 1_000_000


async def read_downgrade(
    manager: DatabaseSessionManager, checkout: Checkout, *, target: str
) -> Downgrade:
    """Return the plan of a downgrade to `target`, and what would be lost with it.

    Raises what `read_plan` raises.
    """
    plan = await read_plan(manager, checkout, direction="down", target=target)
    async with manager.connect() as connection:
        return await _with_losses(connection, plan)


async def _with_losses(connection: AsyncConnection, plan: Plan) -> Downgrade:
    name = await connection.scalar(text("select current_database()"))
    dropped = {
        (loss.table, loss.column): loss
        for revision in plan.revisions
        for statement in revision.statements
        for loss in statement.losses
    }
    await connection.rollback()
    losses = []
    for loss in dropped.values():
        rows = await _rows(connection, loss.oid)
        losses.append(EstimatedLoss(table=loss.table, column=loss.column, rows=rows))
    untold = tuple(
        revision.revision
        for revision in plan.revisions
        if not revision.rendered or not all(each.known for each in revision.statements)
    )
    return Downgrade(name=str(name), plan=plan, losses=tuple(losses), untold=untold)


async def _rows(connection: AsyncConnection, oid: int | None) -> int | None:
    """Return about how many rows a table holds: as of its last ANALYZE, or counted up to a limit.

    None where there is no such table, or none that this role may read.
    """
    if oid is None:
        return None
    try:
        found = await fetch(connection, "migrate.catalogue", "rows", oid=oid)
        if not found:
            return None
        if found[0]["rows"] >= 0:
            return int(found[0]["rows"])
        name = f"{quote(found[0]['schema'])}.{quote(found[0]['name'])}"
        counted = f"select count(*) from (select from {name} limit {_MOST_COUNTED}) as counted"  # noqa: S608
        return int((await connection.exec_driver_sql(counted)).scalar_one())
    except DBAPIError:
        return None
    finally:
        await connection.rollback()


def agreed(
    checkout: Checkout,
    manager: DatabaseSessionManager,
    direction: Direction,
    is_agreed: Callable[[Plan], bool],
) -> Review:
    """Return a review that lets a run pass only where `is_agreed` says so of its plan.

    It raises RefusedError, code `plan_changed`, otherwise.
    """

    async def review(jobs: Sequence[tuple[Database, Job]]) -> None:
        plan = await plan_of(manager, checkout, direction, jobs)
        if not is_agreed(plan):
            now = f"It is {plan.hash[:16]} now." if plan.hash else "The server would refuse it."
            raise RefusedError(
                "the plan is not the one that was agreed to: that was for another target, the "
                "database has gone on, or a revision was changed",
                hint=f"Look at it again: `dbctl migrate plan`. {now}",
                code=ErrorCode.PLAN_CHANGED,
            )

    return review
