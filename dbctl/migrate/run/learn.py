"""Learn what only env.py knows, in a run of it that changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db import drivers
from dbctl.db.connect import Connector
from dbctl.db.failures import driver_error, first_line, sqlstate
from dbctl.db.metadata import PROJECT_CODE_ERRORS, located
from dbctl.errors import ConfigurationError, ConnectionFailed, DbctlError, ErrorCode
from dbctl.migrate.run.env_thread import run_env
from dbctl.migrate.run.environment import Environment
from dbctl.migrate.run.proof import CanTake, Proof, another_database, can_take_on
from dbctl.migrate.run.read_only import READ_ONLY, ReadOnlyGuard, Stopped
from dbctl.migrate.run.record import EnvRecord, record_of
from dbctl.migrate.scripts import Checkout, open_env
from dbctl.redaction import scrub
from dbctl.settings import Settings

if TYPE_CHECKING:
    from dbctl.db.engine import DatabaseSessionManager

# Seconds that env.py may take at least: it imports the whole application.
_IMPORT_SECONDS = 60.0

type Work = Callable[[tuple[str, ...], MigrationContext], Iterable[MigrationStep]]


@dataclass(frozen=True, slots=True)
class Learned:
    """What env.py said: one record a database, and the metadata of the models.

    `reached` says of each record whether it is the database that dbctl was asked to work on,
    `models` has the metadata for each.
    """

    records: tuple[EnvRecord, ...]
    reached: tuple[bool, ...]
    models: tuple[tuple[MetaData, ...], ...]

    @property
    def metadata(self) -> tuple[MetaData, ...]:
        """The metadata for all databases, each once."""
        found = {id(each): each for models in self.models for each in models}
        return tuple(found.values())


def _nothing(_heads: tuple[str, ...], _context: MigrationContext) -> Iterable[MigrationStep]:
    return ()


class ReadOnlyEnvironment(Environment):
    """Alembic's environment for a run that changes nothing and remembers what env.py configures.

    `work` is called for each database with its heads and context, and yields no step that writes.
    `proof`, where given, shows for each whether it is the database that dbctl works on.
    """

    def __init__(
        self,
        checkout: Checkout,
        *,
        work: Work = _nothing,
        proof: Proof | None = None,
        **options: Any,
    ) -> None:
        options = {"destination_rev": "head", "dont_mutate": True} | options
        super().__init__(checkout.config, checkout.scripts, fn=work, **options)
        self.records: list[EnvRecord] = []
        self.models: list[tuple[MetaData, ...]] = []
        self.reached: list[bool] = []
        self.record: EnvRecord | None = None
        self._proof = proof
        self.guard = ReadOnlyGuard(pooled=True)

    def said(self) -> Learned:
        """Return what env.py has said so far."""
        return Learned(tuple(self.records), tuple(self.reached), tuple(self.models))

    def forget(self) -> None:
        """Forget what a run said that did not come to its end."""
        self.records.clear()
        self.models.clear()
        self.reached.clear()

    def configure(self, connection: Connection | None = None, *rest: Any, **options: Any) -> None:
        """Remember what env.py says, and go on as it says."""
        self.remember(connection, options)
        super().configure(connection, *rest, **options)

    def remember(self, connection: Connection | None, options: dict[str, Any]) -> None:
        """Keep what one call of `configure` says of its database and its models.

        `record` is that of the last call, until the next.
        """
        if not isinstance(connection, Connection):
            return
        self.record = record = record_of(connection, options, self.guard.schemas)
        # Without one to compare with, the first is the one to work on.
        reached = (
            all(record.url == other.url for other in self.records)
            if self._proof is None
            else self._proof.reaches_ours(connection)
        )
        if (record, reached) not in zip(self.records, self.reached, strict=True):
            self.records.append(record)
            self.reached.append(reached)
            self.models.append(_models_in(options))


def _models_in(options: dict[str, Any]) -> tuple[MetaData, ...]:
    """Return the metadata that env.py gives to `context.configure`."""
    given = options.get("target_metadata")
    each = given if isinstance(given, Sequence) else [given]
    return tuple(metadata for metadata in each if isinstance(metadata, MetaData))


async def run_read_only(
    checkout: Checkout,
    environment: ReadOnlyEnvironment,
    manager: DatabaseSessionManager | None,
    *,
    seconds: float,
) -> Learned:
    """Run env.py in `environment` without changing anything, within `seconds`.

    What it would write before it configures Alembic is left out, and its transactions are READ
    ONLY. Raises ConfigurationError where env.py fails, connects to no database or to another one
    than `manager`'s, ConnectionFailed where it cannot connect or does not end in time.
    """
    pooled = manager is None or manager.server is None or manager.server.pooled
    try:
        await _run_once(checkout, environment, seconds, pooled=pooled)
    except _CannotConnect as failure:
        # A compute that sleeps is waited for, and then env.py tries again.
        await _wake(failure, manager.connect_deadline if manager else checkout.settings.deadline)
        environment.forget()
        try:
            await _run_once(checkout, environment, seconds, pooled=pooled)
        except _CannotConnect as again:
            raise again.described() from again.__cause__
    if not environment.records:
        raise ConfigurationError(
            "env.py has given Alembic no connection",
            hint="Let it call context.configure(connection=…) and context.run_migrations().",
            code=ErrorCode.MIGRATION_SCRIPTS,
        )
    if not any(environment.reached):
        assert manager is not None  # noqa: S101 - without one nothing is compared
        raise another_database(environment.records[0], manager.label, checkout.origin)
    return environment.said()


class _CannotConnect(Exception):
    """env.py could not connect; the driver's error is the cause."""

    def __init__(self, error: BaseException, driver: str, parameters: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.dsn = drivers.dsn_of(parameters)
        self._error = error
        self._driver = driver

    def described(self) -> ConnectionFailed:
        """Return what to tell the user."""
        where = self.dsn.label if self.dsn else "its database"
        return ConnectionFailed(
            f"env.py cannot connect to {where} with {self._driver}: "
            f"{scrub(first_line(driver_error(self._error)))}",
            hint="Check that the server runs, and the connection string that env.py uses.",
        )


async def _wake(failure: _CannotConnect, seconds: float) -> None:
    """Connect to where env.py could not, for as long as any command would; then end the connection.

    Raises ConnectionFailed where that is in vain.
    """
    if failure.dsn is None:
        raise failure.described() from failure.__cause__
    connector = Connector(failure.dsn, timeout=seconds, deadline=seconds)
    connection = await connector()
    await connection.close()


async def _run_once(
    checkout: Checkout, environment: ReadOnlyEnvironment, seconds: float, *, pooled: bool
) -> None:
    environment.guard = guard = ReadOnlyGuard(pooled=pooled)
    try:
        async with asyncio.timeout(seconds) as limit:
            await run_env(
                checkout,
                environment,
                listeners=guard.listeners(),
                variables=checkout.variables,
                at_end=guard.release,
            )
    except (*PROJECT_CODE_ERRORS, Stopped) as error:
        if limit.expired():
            raise ConnectionFailed(
                f"env.py did not end within {seconds:.0f} s",
                hint="Look at what it waits for; DB_CONNECT_DEADLINE gives it longer.",
            ) from error
        for known in (error, error.__cause__):  # Alembic's command line gets a CommandError
            if isinstance(known, DbctlError):
                raise known from known.__cause__
        if guard.is_connecting and drivers.is_connect_failure(error):
            raise _CannotConnect(error, *guard.attempts[-1]) from error
        raise ConfigurationError(
            f"env.py failed: {located(error)}",
            hint=_hint(error, guard),
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    finally:
        guard.stopped = True


def _hint(error: BaseException, guard: ReadOnlyGuard) -> str:
    if sqlstate(error) == READ_ONLY:
        return (
            "dbctl runs env.py once without letting it write. What it writes with SQLAlchemy is "
            "left out then; let it not write past SQLAlchemy, or do so in a revision."
        )
    if guard.left_out is not None:
        return (
            "dbctl runs env.py once without letting it write, and has left out "
            f"`{guard.left_out}`. Let env.py not depend on it, or do it in a revision."
        )
    return "`alembic current` runs it as well; `-v` shows the cause."


async def learn(
    checkout: Checkout,
    manager: DatabaseSessionManager | None = None,
    *,
    can_take: CanTake | None = None,
) -> Learned:
    """Return what env.py says, asked once; proven to be about `manager`'s database where given.

    The proof is had by `can_take`, else on a connection of its own. Raises what `run_read_only`
    raises.
    """
    if checkout.learned is not None:
        return checkout.learned
    if manager is None:
        return await _asked(checkout, None, None)
    checkout.point_at(manager.dsn, manager.origin)
    # The env.py that ships is not asked, and so has to show nothing.
    if manager.server is not None and (can_take is not None or checkout.has_shipped_env):
        return await _asked(checkout, manager, can_take)
    async with manager.connect() as connection:  # wakes a compute that sleeps, before env.py has to
        if can_take is None and manager.server is not None and not manager.server.pooled:
            return await _asked(checkout, manager, partial(can_take_on, connection))
    # A pooler may have no connection for env.py while this one is held.
    return await _asked(checkout, manager, can_take)


@asynccontextmanager
async def learning(
    checkout: Checkout, manager: DatabaseSessionManager
) -> AsyncIterator[AsyncConnection]:
    """Yield a connection to `manager`'s database once `learn` has returned.

    It is the one on which the proof was had, where env.py can do without it.
    """
    async with manager.connect() as connection:
        direct = manager.server is not None and not manager.server.pooled
        if direct or checkout.has_shipped_env or checkout.learned is not None:
            await learn(checkout, manager, can_take=partial(can_take_on, connection))
            yield connection
            return
    # A pooler may have no connection for env.py while this one is held.
    await learn(checkout, manager)
    async with manager.connect() as connection:
        yield connection


async def _asked(
    checkout: Checkout, manager: DatabaseSessionManager | None, can_take: CanTake | None
) -> Learned:
    if manager is not None and checkout.has_shipped_env:
        checkout.learned = _shipped(checkout, manager)
        return checkout.learned
    loop = asyncio.get_running_loop()
    proof = None if manager is None else Proof(manager, loop, can_take=can_take)
    environment = ReadOnlyEnvironment(checkout, proof=proof)
    deadline = manager.connect_deadline if manager else checkout.settings.deadline
    seconds = max(deadline, _IMPORT_SECONDS)
    try:
        checkout.learned = await run_read_only(checkout, environment, manager, seconds=seconds)
    except DbctlError:
        checkout.glimpsed = environment.said()
        raise
    ours = checkout.learned.reached.index(True)
    checkout.store = checkout.store_for(checkout.learned.records[ours])
    return checkout.learned


def _shipped(checkout: Checkout, manager: DatabaseSessionManager) -> Learned:
    """Return what the env.py that ships says, without running it: it asks dbctl for everything."""
    record = EnvRecord(
        url=manager.dsn.url(),
        label=manager.label,
        driver="asyncpg",
        database=manager.server.database if manager.server else "",
        version_table=checkout.store.version_table,
        version_schema=None,
        found=False,
        direct=False,
    )
    return Learned((record,), (True,), ((),))


async def run_offline(checkout: Checkout, environment: ReadOnlyEnvironment) -> None:
    """Run env.py as for `alembic upgrade --sql`; what it connects to nevertheless is not changed.

    Raises what env.py raises.
    """
    guard = environment.guard
    await run_env(
        checkout,
        environment,
        listeners=guard.listeners(),
        variables=checkout.variables,
        at_end=guard.release,
        aside=True,
    )


def env_metadata(settings: Settings) -> tuple[MetaData, ...]:
    """Return the `target_metadata` that env.py gives Alembic, without a database.

    env.py is run as for `alembic upgrade --sql`, up to where it configures Alembic. Must not be
    called while an event loop runs in this thread. Raises ConfigurationError, code
    `migration_scripts`, where env.py fails or configures nothing.
    """
    checkout = open_env(settings)
    if checkout.learned is not None:
        return checkout.learned.metadata
    environment = _MetadataEnvironment(checkout)
    try:
        asyncio.run(run_offline(checkout, environment))
    except _Configured:
        return environment.metadata
    except PROJECT_CODE_ERRORS as error:
        for known in (error, error.__cause__):  # Alembic's command line gets a CommandError
            if isinstance(known, DbctlError):
                raise known from known.__cause__
        raise ConfigurationError(
            f"{checkout.env_py} failed: {located(error)}",
            hint="Run `alembic heads` and `alembic upgrade head --sql`: they must work there.",
            code=ErrorCode.MIGRATION_SCRIPTS,
        ) from error
    raise ConfigurationError(
        f"{checkout.env_py} never calls context.configure",
        hint="Compare it with the env.py that `alembic init` writes.",
        code=ErrorCode.MIGRATION_SCRIPTS,
    )


def warm_up(checkout: Checkout) -> None:
    """Import what env.py imports, outside of any deadline; a fault is met again later."""
    if not checkout.has_shipped_env:
        with suppress(DbctlError):
            env_metadata(checkout.settings)


class _Configured(BaseException):
    """Ends env.py once it has configured Alembic."""


class _MetadataEnvironment(ReadOnlyEnvironment):
    """An offline run of env.py that ends at `context.configure`."""

    def __init__(self, checkout: Checkout) -> None:
        super().__init__(checkout, as_sql=True)
        self.metadata: tuple[MetaData, ...] = ()

    def configure(self, *_rest: Any, **options: Any) -> NoReturn:
        """Keep the metadata, and raise _Configured."""
        self.metadata = _models_in(options)
        raise _Configured
