"""What is seen of the database, and of env.py run with a connection to it; nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import assert_never

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.config.check.env_faults import env_fault
from dbctl.config.check.privileges import missing_privileges, missing_to_read
from dbctl.config.check.project_checks import Project
from dbctl.config.check.results import Checked, Problem, Subject, Verdict, not_checked, ok
from dbctl.config.check.versions import (
    TESTED_DRIVERS,
    installed,
    of_library,
    server_check,
)
from dbctl.db import dsn
from dbctl.db.catalog import fetch
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.db.failures import connection_loss, first_line
from dbctl.db.round_trip import Reader, reader_on
from dbctl.errors import ConnectionFailed, DbctlError
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.run.databases import Database, databases, pooler_refused, poolers
from dbctl.migrate.run.learn import Learned, learn
from dbctl.migrate.run.proof import can_take_on
from dbctl.migrate.scripts import Checkout
from dbctl.migrate.status import read_status


async def check_database(project: Project, manager: DatabaseSessionManager) -> None:
    """Add to `project` what is seen of the database of `manager`, and of env.py with it.

    Raises ConnectionFailed where dbctl cannot connect, or loses its connection.
    """
    async with manager.connect() as connection:
        await _check_server(project, manager, connection)
        direct = manager.server is not None and not manager.server.pooled
        if direct and project.checkout is not None:
            await _run_env(project, project.checkout, manager, connection)
            await _check_databases(project, project.checkout, manager, connection)
    # A pooler may have no connection for env.py while this one is held.
    if not direct and project.checkout is not None:
        await _run_env(project, project.checkout, manager, None)
        await _check_databases(project, project.checkout, manager, None)


async def _check_server(
    project: Project, manager: DatabaseSessionManager, connection: AsyncConnection
) -> None:
    (row,) = await fetch(await reader_on(connection), "config.check", "server")
    assert manager.server is not None  # noqa: S101 - there is a connection
    label = f"PostgreSQL {manager.server.version}"
    how = "through a pooler" if manager.server.pooled else "directly"
    where = f"{manager.label} ({manager.origin}) as {row['role']}, {how}"
    project.add(ok(Subject.CONNECTION, where))
    wrong: list[Checked] = []
    if (unfit := server_check(row["version"], label)) is not None:
        wrong.append(unfit)
    if row["standby"]:
        wrong.append(
            Checked(
                subject=Subject.SERVER,
                verdict=Verdict.OBSTACLE,
                code=Problem.STANDBY,
                message=f"{manager.label} is a standby, which takes no writes",
                origin=manager.origin,
                remedy="Name the primary; target_session_attrs=read-write finds it among several.",
            )
        )
    elif row["read_only"]:
        wrong.append(
            Checked(
                subject=Subject.SERVER,
                verdict=Verdict.OBSTACLE,
                code=Problem.READ_ONLY,
                message=f"transactions of {row['role']} in {manager.label} are read-only: "
                "default_transaction_read_only is on",
                origin=manager.origin,
                remedy="Reset default_transaction_read_only of the role, the database or the "
                "server, or leave it out of the connection string.",
            )
        )
    project.add(*wrong or [ok(Subject.SERVER, label)])


async def _run_env(
    project: Project,
    checkout: Checkout,
    manager: DatabaseSessionManager,
    connection: AsyncConnection | None,
) -> None:
    """Run env.py without letting it write, unless that was done to find the database."""
    can_take = partial(can_take_on, connection) if connection is not None else None
    try:
        learned = await learn(checkout, manager, can_take=can_take)
    except DbctlError as error:
        found = env_fault(error, checkout)
        project.add(found)
        if found.subject is not Subject.ENV_PY:
            project.add(not_checked(Subject.ENV_PY, "it lacks the driver"))
        learned = checkout.glimpsed or Learned((), (), ())
    else:
        names = ", ".join(record.label for record in learned.records)
        project.add(ok(Subject.ENV_PY, f"{checkout.env_label} connects to {names}"))
    for driver in dict.fromkeys(record.driver.removesuffix("_async") for record in learned.records):
        if driver not in TESTED_DRIVERS:
            project.add(not_checked(Subject.DRIVER, f"dbctl is not tested with {driver}"))
            continue
        found_version = installed(driver)
        wrong = of_library(Subject.DRIVER, driver, found_version, *TESTED_DRIVERS[driver])
        project.add(wrong or ok(Subject.DRIVER, f"{driver} {found_version}"))


async def _check_databases(
    project: Project,
    checkout: Checkout,
    manager: DatabaseSessionManager,
    connection: AsyncConnection | None,
) -> None:
    async with _databases_seen(checkout, manager) as found:
        for each in found:
            name = each.label if len(found) > 1 else None
            ours = connection if each.manager is manager else None
            try:
                await _check_pooler(project, each, name)
                async with nullcontext(ours) if ours is not None else each.manager.connect() as own:
                    reader = await reader_on(own)
                    await _together(
                        _check_version(project, checkout, each, reader, name),
                        _check_privileges(project, each, reader, name),
                    )
            except ConnectionFailed as error:
                if each.manager is manager:
                    raise
                project.fail(
                    Subject.CONNECTION, Problem.CONNECTION_FAILED, error, origin=checkout.env_label
                )


@asynccontextmanager
async def _databases_seen(
    checkout: Checkout, manager: DatabaseSessionManager
) -> AsyncIterator[tuple[Database, ...]]:
    """Yield the databases that env.py configures; where it failed, what it had reached of them."""
    if checkout.learned is not None:
        async with databases(checkout, manager) as found:
            yield found
        return
    said = checkout.glimpsed or Learned((), (), ())
    yield tuple(
        Database(record, manager, checkout.store_for(record), checkout.origin)
        for record, reached in zip(said.records, said.reached, strict=True)
        if reached
    )


async def _together(*work: Awaitable[None]) -> None:
    """Do what is sent in one message together; raises what the first that fails raises."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _check_pooler(project: Project, each: Database, name: str | None) -> None:
    ours, theirs = await poolers(each)
    if ours is False and theirs is False:
        project.add(ok(Subject.POOLER, "none: migrations connect directly", database=name))
        return
    error = pooler_refused(each, ours, theirs)
    if ours or theirs:
        project.fail(Subject.POOLER, Problem.POOLER, error, origin=each.origin, database=name)
    else:
        project.add(not_checked(Subject.POOLER, error.message, remedy=error.hint, database=name))


async def _check_version(
    project: Project, checkout: Checkout, each: Database, reader: Reader, name: str | None
) -> None:
    if not project.has_revisions:
        why = "the revisions cannot be read"
        project.add(not_checked(Subject.VERSION, why, database=name))
        return
    try:
        found = await read_status(reader, checkout, each.label, each.store)
    except asyncpg.PostgresError as error:
        if connection_loss(error) is not None:
            raise
        project.add(not_checked(Subject.VERSION, first_line(error), database=name))
        return
    project.add(_of_version(found, checkout, name))


def _of_version(found: MigrationStatus, checkout: Checkout, name: str | None) -> Checked:
    current = ", ".join(found.current)

    def wrong(code: Problem, message: str, verdict: Verdict = Verdict.OBSTACLE) -> Checked:
        return Checked(
            subject=Subject.VERSION,
            verdict=verdict,
            code=code,
            message=message,
            origin=found.database,
            remedy=found.hint,
            database=name,
        )

    match found.state:
        case State.AHEAD:
            unknown = ", ".join(each for each in found.current if not checkout.knows(each))
            return wrong(
                Problem.REVISION_UNKNOWN,
                f"the database is at {unknown}, which is not in the folder of the revisions",
            )
        case State.STALE:
            stale = ", ".join(found.stale)
            rows = f"the version table has {current}, of which {stale} is stale"
            return wrong(Problem.VERSION_STALE, rows)
        case State.UNMANAGED:
            said = "the database has tables but no version"
            return wrong(Problem.UNMANAGED, said, Verdict.WARNING)
        case State.NO_REVISIONS:
            return not_checked(Subject.VERSION, "there are no revisions", database=name)
        case State.MULTIPLE_HEADS:
            at = f"at {current}" if current else "no version yet"
            return not_checked(
                Subject.VERSION, f"{at}; the revisions have several heads", database=name
            )
        case State.EMPTY | State.PENDING | State.TAMPERED | State.DRIFTED | State.CURRENT:
            at = f"at {current}" if current else "empty"
            return ok(Subject.VERSION, f"{at}, {len(found.pending)} pending", database=name)
        case _:
            assert_never(found.state)


async def _check_privileges(
    project: Project, each: Database, own: Reader, name: str | None
) -> None:
    """Look at the privileges of the role that env.py migrates as; dbctl's own has to read."""
    record, schema = each.record, project.settings.own_schema
    assert each.manager.server is not None  # noqa: S101 - there is a connection
    role = each.manager.server.user
    if record.role in ("", role):
        missing = await missing_privileges(own, record, schema)
        _add_privileges(project, missing, role, name)
        return
    project.add(*await missing_to_read(own, record))
    try:
        async with _as_env(each) as theirs:
            reader = await reader_on(theirs)
            (row,) = await reader.rows("select current_user::pg_catalog.text as role")
            if row["role"] == record.role:
                missing = await missing_privileges(reader, record, schema)
                _add_privileges(project, missing, record.role, name)
                return
            why = f"env.py takes the role {record.role}, and dbctl does not"
    except DbctlError as error:
        why = f"dbctl cannot connect as env.py does: {error.message}"
    project.add(not_checked(Subject.PRIVILEGES, why, database=name))


@asynccontextmanager
async def _as_env(each: Database) -> AsyncIterator[AsyncConnection]:
    """Yield a connection of dbctl's to the URL of env.py's engine."""
    target = dsn.parse(each.record.url, source="env.py's engine", environ={})
    deadline = each.manager.connect_deadline
    manager = DatabaseSessionManager(target, connect_deadline=deadline, pooling=False)
    async with closing(manager), manager.connect() as connection:
        yield connection


def _add_privileges(
    project: Project, missing: tuple[Checked, ...], role: str, name: str | None
) -> None:
    said = f"{role} may migrate, as far as the catalogue says"
    fine = ok(Subject.PRIVILEGES, said, database=name)
    project.add(*[each.model_copy(update={"database": name}) for each in missing] or [fine])
