"""The databases that a run of env.py migrates: one, or as many as it configures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy import MetaData

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.errors import ErrorCode, RefusedError
from dbctl.migrate.events import Event
from dbctl.migrate.guards import Terms
from dbctl.migrate.lock import DeployerLock, deployer
from dbctl.migrate.run.learn import learn
from dbctl.migrate.run.proof import is_pooled
from dbctl.migrate.run.record import EnvRecord
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.store import VersionStore


@dataclass(frozen=True, slots=True)
class Database:
    """One database: what env.py says of it, dbctl's own way to it, and its version and ledger.

    `origin` is what its address was taken from, `metadata` that of its models. `pooled` says
    whether a pooler stands before it; outside of `databases_to_change` it may.
    `shares` says that it is one of several versions in one database.
    """

    record: EnvRecord
    manager: DatabaseSessionManager
    store: VersionStore
    origin: str
    metadata: tuple[MetaData, ...] = ()
    pooled: bool = True
    shares: bool = False

    @property
    def label(self) -> str:
        """The name for people, with the version table where others are in the same database."""
        if self.shares:
            return f"{self.manager.label} ({self.record.version_label})"
        return self.manager.label


@asynccontextmanager
async def databases(
    checkout: Checkout, manager: DatabaseSessionManager
) -> AsyncIterator[tuple[Database, ...]]:
    """Yield the databases that env.py configures, the one of `manager` among them.

    The others are reached with the URLs of env.py's engines. Raises what `learn` raises.
    """
    learned = await learn(checkout, manager)
    found: list[Database] = []
    shares = learned.reached.count(True) > 1
    async with AsyncExitStack() as stack:
        for record, is_ours, models in zip(
            learned.records, learned.reached, learned.models, strict=True
        ):
            own = manager
            if not is_ours:
                target = dsn.parse(record.url, source="env.py's engine", environ={})
                own = await stack.enter_async_context(
                    closing(
                        DatabaseSessionManager(
                            replace(target, database=record.database),
                            connect_deadline=manager.connect_deadline,
                            pooling=False,
                        )
                    )
                )
            store = checkout.store_for(record)
            found.append(
                Database(record, own, store, checkout.origin, models, shares=is_ours and shares)
            )
        yield tuple(found)


@asynccontextmanager
async def deployers(
    found: tuple[Database, ...], terms: Terms, report: Callable[[Event], None]
) -> AsyncIterator[list[DeployerLock]]:
    """Hold the deployer lock of each database, in their order; one for all that are the same.

    Raises OperationFailed, code `lock_busy`, where another run goes on for longer than it is waited
    for.
    """
    locks: dict[DatabaseSessionManager, DeployerLock] = {}
    async with AsyncExitStack() as stack:
        for each in found:
            if each.manager not in locks:
                held = deployer(each.manager, terms, report)
                locks[each.manager] = await stack.enter_async_context(held)
        yield [locks[each.manager] for each in found]


@asynccontextmanager
async def databases_to_change(
    checkout: Checkout,
    manager: DatabaseSessionManager,
    terms: Terms,
    report: Callable[[Event], None],
) -> AsyncIterator[tuple[Database, ...]]:
    """Yield the databases that env.py configures, with what is known of a pooler before them.

    Raises what `learn` raises, and RefusedError, code `pooled_endpoint`, where a pooler stands
    before dbctl's connection or env.py's, or where that cannot be found out, unless the terms allow
    it. Each transaction may get another server session there: what belongs to a session, as the
    watch over a killed client does, would reach somebody else's.
    """
    known = checkout.learned is not None or checkout.has_shipped_env
    if terms.allow_pooler and not known and await _is_pooled(manager) is not False:
        # One at a time: many would each hold a connection of the pool, and wait for another.
        async with deployer(manager, terms, report) as lock:
            await learn(checkout, manager, can_take=lock.can_take)
    async with databases(checkout, manager) as found:
        yield tuple([await _refuse_pooler(each, terms) for each in found])


async def poolers(database: Database) -> tuple[bool | None, bool | None]:
    """Return whether a pooler stands before dbctl's connection, and before that of env.py.

    None where that cannot be found out.
    """
    ours = await _is_pooled(database.manager)
    return ours, await is_pooled(database.record, database.manager)


async def _refuse_pooler(database: Database, terms: Terms) -> Database:
    ours, theirs = await poolers(database)
    if not terms.allow_pooler and (ours is not False or theirs is not False):
        raise pooler_refused(database, ours, theirs)
    return replace(database, pooled=ours is not False or theirs is not False)


async def _is_pooled(manager: DatabaseSessionManager) -> bool | None:
    if manager.server is None:
        async with manager.connect():  # so that it is known
            pass
    return None if manager.server is None else manager.server.pooled


def pooler_refused(database: Database, ours: bool | None, theirs: bool | None) -> RefusedError:
    """Describe the pooler that stands before a database, or that it is not known of one."""
    direct = (
        "Name the direct endpoint in DATABASE_URL_UNPOOLED, or give --allow-pooler: the deployer "
        "lock and the lock timeout are sound there, a statement whose client is killed may run on "
        "for a while."
    )
    if ours:
        message = (
            f"{database.label} is reached through a pooler, which gives each transaction a session "
            "that is not its own"
        )
    elif theirs:
        message = (
            f"env.py reaches {database.label} through a pooler at {database.record.label}, which "
            "gives each transaction a session that is not its own"
        )
    else:
        message = (
            f"whether env.py reaches {database.record.label} through a pooler cannot be found out"
        )
    return RefusedError(message, hint=direct, code=ErrorCode.POOLED_ENDPOINT)
