"""The checks: each looks at one thing through a connection and says what it found.

A check reads only. What the driver raises is left to the caller, who knows whether the connection
is lost or the check alone failed.
"""

import time
from statistics import median

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl.db.connect import ServerInfo
from dbctl.db.connections import count_connections
from dbctl.db.engine import PoolStatus
from dbctl.errors import ConfigurationError
from dbctl.health.results import CheckResult, Status
from dbctl.migrate.results import MigrationStatus, State
from dbctl.migrate.scripts import Checkout, open_checkout
from dbctl.migrate.status import read_status
from dbctl.settings import Settings

CONNECTION = "connection"
MIGRATIONS = "migrations"
POOL = "pool"

# Of the connections that the server has for ordinary roles, in percent.
POOL_WARN = 80
POOL_FAIL = 95

_PINGS = 5


async def check_connection(connection: AsyncConnection, server: ServerInfo) -> CheckResult:
    """Measure the latency and tell what the connection leads to.

    `latency_ms` is the median of a few `select 1`, one round trip each. A standby is a warning:
    whoever writes through it fails.
    """
    latency_ms = await _latency_ms(connection)
    row = await connection.execute(
        text(
            "select pg_catalog.current_database(), current_user,"
            " pg_catalog.current_setting('server_version'), pg_catalog.pg_is_in_recovery()"
        )
    )
    database, user, version, in_recovery = row.one()
    version = version.split()[0]
    endpoint = "pooled" if server.pooled else "direct"
    facts = [
        f"{latency_ms:.1f} ms",
        f"PostgreSQL {version}",
        server.tls or "TLS off",
        endpoint,
        f"{user}@{database}",
    ]
    return CheckResult(
        name=CONNECTION,
        status=Status.WARN if in_recovery else Status.PASS,
        summary=" · ".join(["standby, read-only", *facts] if in_recovery else facts),
        observed={
            "latency_ms": latency_ms,
            "server_version": version,
            "tls": server.tls or "off",
            "endpoint": endpoint,
            "user": user,
            "database": database,
            "in_recovery": in_recovery,
        },
        remedy="point DATABASE_URL at the primary, unless only reads are wanted here"
        if in_recovery
        else None,
    )


async def _latency_ms(connection: AsyncConnection) -> float:
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - a connection just handed out is open
    seconds = []
    for _ in range(_PINGS):
        started = time.perf_counter()
        # The simple protocol: one round trip, through a pooler as well.
        await driver.execute("select 1")
        seconds.append(time.perf_counter() - started)
    return round(median(seconds) * 1000, 2)


def load_revisions(settings: Settings) -> Checkout | CheckResult:
    """Read the revision files, or tell as the check of the migrations why they cannot be loaded.

    They are the project's code, which may take its time: no deadline holds for it.
    """
    try:
        return open_checkout(settings)
    except ConfigurationError as error:
        return CheckResult(
            name=MIGRATIONS,
            status=Status.FAIL,
            summary=error.message,
            remedy=error.hint,
            permanent=True,
        )


async def check_migrations(
    connection: AsyncConnection, checkout: Checkout, database: str, *, allow_pending: bool = False
) -> CheckResult:
    """Compare the schema of the database with the revisions of the checkout.

    The code fails on a database that lacks what it expects: pending, empty and unversioned ones
    fail, pending and empty ones only warn with `allow_pending`, for a look before the deploy
    migrates. A database ahead of the checkout warns: in a rolling deploy the old code sees just
    that, and a probe that failed on it would take down every instance that still serves.
    """
    found = await read_status(connection, checkout, database)
    status, summary, remedy = _verdict(found)
    if allow_pending and found.state in (State.PENDING, State.EMPTY):
        status = Status.WARN
    return CheckResult(
        name=MIGRATIONS,
        status=status,
        summary=summary,
        observed={
            "state": found.state.value,
            "current": found.current,
            "head": found.heads,
            "pending": tuple(step.revision for step in found.pending),
        },
        remedy=remedy,
        permanent=found.state in (State.UNMANAGED, State.MULTIPLE_HEADS),
    )


def _verdict(found: MigrationStatus) -> tuple[Status, str, str | None]:
    current = ", ".join(found.current)
    waiting = f"{len(found.pending)} revision{'' if len(found.pending) == 1 else 's'} pending"
    match found.state:
        case State.CURRENT:
            return Status.PASS, f"at the head, {current}" if current else "no revisions", None
        case State.PENDING:
            return Status.FAIL, f"{waiting} after {current}", "dbctl migrate up"
        case State.EMPTY:
            return Status.FAIL, f"the database is empty, {waiting}", "dbctl migrate up"
        case State.UNMANAGED:
            return (
                Status.FAIL,
                "the database has tables but no version",
                "dbctl migrate stamp REV, where REV is the revision its tables are at",
            )
        case State.AHEAD:
            return (
                Status.WARN,
                f"the database is at {current}, which this checkout does not have",
                "nothing while a newer version is being deployed; else check out its code",
            )
        case State.TAMPERED:
            files = f"at the head, but the files of {', '.join(found.tampered)} were changed"
            return Status.WARN, files, found.hint
        case State.DRIFTED:
            return Status.FAIL, f"at the head, {current}, but not as the models say", found.hint
        case State.MULTIPLE_HEADS:
            heads = f"the revisions have {len(found.heads)} heads"
            return Status.FAIL, heads, "alembic merge heads"


async def check_pool(
    connection: AsyncConnection, pool: PoolStatus, *, pooled: bool = False
) -> CheckResult:
    """Compare this pool, and everybody's connections, with what the server has for them.

    Warns from 80 % of the server's connections on and fails from 95 % on; what is reserved for
    superusers and maintenance does not count as there. Warns as well where the rest is less than
    this pool may still open, unless a pooler (`pooled`) opens connections in its place.
    """
    server = await count_connections(connection)
    usable = max(server.maximum - server.reserved, 1)
    percent = round(100 * server.used / usable, 1)
    limit = pool.size + pool.max_overflow
    wanted = limit - pool.checked_in - pool.checked_out
    left = max(usable - server.used, 0)
    status, remedy = Status.PASS, None
    summary = (
        f"{server.used} of {usable} server connections used ({percent:.0f} %)"
        f" · pool of up to {limit}"
    )
    if percent >= POOL_WARN:
        status = Status.FAIL if percent >= POOL_FAIL else Status.WARN
        remedy = "close what is idle, lower DB_POOL_SIZE, or connect through a pooler"
    elif wanted > left and not pooled:
        status = Status.WARN
        summary += f", but only {left} are left"
        remedy = f"lower DB_POOL_SIZE and DB_MAX_OVERFLOW, together {limit}, or use a pooler"
    return CheckResult(
        name=POOL,
        status=status,
        summary=summary,
        observed={
            "size": pool.size,
            "max_overflow": pool.max_overflow,
            "checked_out": pool.checked_out,
            "recycle_seconds": pool.recycle if pool.recycle >= 0 else None,
            "server_connections_used": server.used,
            "server_connections_usable": usable,
            "server_connections_used_percent": percent,
            "max_connections": server.maximum,
            "reserved_connections": server.reserved,
        },
        remedy=remedy,
    )
