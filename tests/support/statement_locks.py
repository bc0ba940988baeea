"""Try statements on a server, and compare what they lock and do with what is described."""

import pickle
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.migrate.catalogue.effects import Effect, apply
from dbctl.migrate.catalogue.reading import read_catalogue
from dbctl.migrate.statements import LockLevel, Work, assess

_RELATIONS = """
SELECT oid, oid::regclass::text AS name, relfilenode, relkind IN ('r', 'p', 'v', 'm') AS is_table
FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'app'::regnamespace)
"""
_HELD = """
SELECT relation, mode FROM pg_locks
WHERE locktype = 'relation' AND pid = pg_backend_pid() AND granted
"""
# What has something in it, and whether its file is another than it was.
_FILLED = """
SELECT relname, relkind = 'i' AS is_index, relfilenode <> node AS is_new
FROM unnest($1::oid[], $2::oid[]) AS old (id, node) JOIN pg_class ON oid = id
WHERE pg_relation_size(oid) > 0
"""
_ROWS_READ = "SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_xact_user_tables"
# Names that a statement changes are those of the statements after it: each is asked for alone.
_RENAMES = re.compile(r"\b(RENAME|SET SCHEMA|search_path)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """A statement, the first version that has it, and whether it may call what locks more.

    `spared` where the server need not do the work that is described.
    """

    sql: str
    since: int = 15
    spared: bool = False
    known: bool = True


@dataclass
class Session:
    """A connection on which each statement is tried and rolled back, and the effects of each."""

    connection: Any
    effects: dict[str, Effect] = field(repr=False)
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tried:
    """What a statement locked, the strongest on each table, and the work that it may have done."""

    held: dict[str, str]
    work: set[Work]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    """Yield a plain connection of the driver's."""
    connection = await asyncpg.connect(**dsn.parse(url, environ={}).connect_kwargs())
    try:
        yield connection
    finally:
        await connection.close()


async def described(url: str, statements: Sequence[str]) -> dict[str, Effect]:
    """Return the effect of each statement, as if it were the only one."""
    manager = DatabaseSessionManager(dsn.parse(url, environ={}), pooling=False)
    together = [sql for sql in statements if not _RENAMES.search(sql)]
    found = {}
    async with manager.connect() as connection:
        for group in [together, *([sql] for sql in statements if sql not in together)]:
            assessed = [assess(sql) for sql in group]
            catalogue = await read_catalogue(
                connection, ("public",), "", [[each] for each in assessed]
            )
            untouched = pickle.dumps(catalogue)
            for sql, each in zip(group, assessed, strict=True):
                found[sql] = apply(each, pickle.loads(untouched))  # noqa: S301 - its own
    await manager.close()
    return found


@asynccontextmanager
async def trying(url: str, cases: Sequence[Case]) -> AsyncIterator[Session]:
    """Yield a session that keeps what the server says of its work."""
    async with connected(url) as connection:
        session = Session(connection, await described(url, [case.sql for case in cases]))
        await connection.execute("SET client_min_messages = debug1")
        connection.add_log_listener(lambda _, message: session.said.append(str(message)))
        yield session


async def tried(session: Session, sql: str, named: Sequence[str]) -> Tried:
    """Run a statement, look at its locks and its work, and roll it back.

    The locks are those on tables, and on other relations that are `named`.
    """
    connection = session.connection
    relations = {
        each["oid"]: each
        for each in await connection.fetch(_RELATIONS)
        if each["is_table"] or plain(each["name"]) in named
    }
    session.said.clear()
    await connection.execute("BEGIN")
    try:
        # Also counts what earlier transactions read, until the server has time to report it.
        read_before = await connection.fetchval(_ROWS_READ)
        await connection.execute(sql)
        held = await _held_locks(connection, relations)
        read = await connection.fetchval(_ROWS_READ) > read_before
        return Tried(held, await _work_done(session, relations, read=read))
    finally:
        await connection.execute("ROLLBACK")


def plain(table: str) -> str:
    """Return a name without the schema that needs none."""
    return table.removeprefix("public.")


def mode_name(mode: str) -> str:
    """Turn ShareRowExclusiveLock into SHARE ROW EXCLUSIVE."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


async def _held_locks(connection: Any, relations: Mapping[int, Any]) -> dict[str, str]:
    """Return the strongest lock that this connection holds on each of `relations`."""
    found: dict[str, LockLevel] = {}
    for held in await connection.fetch(_HELD):
        if relation := relations.get(held["relation"]):
            table = plain(relation["name"])
            level = LockLevel(mode_name(held["mode"]))
            found[table] = max(found.get(table, level), level, key=lambda each: each.strength)
    return {table: str(level) for table, level in found.items()}


async def _work_done(session: Session, relations: Mapping[int, Any], *, read: bool) -> set[Work]:
    """Return the answers that are true of the work that the server did on the relations."""
    nodes = [each["relfilenode"] for each in relations.values()]
    filled = await session.connection.fetch(_FILLED, list(relations), nodes)
    if any(each["is_new"] for each in filled):
        return {Work.REWRITE}
    named = [f'on table "{each["relname"]}"' for each in filled]
    signs = ("verifying table", "validating foreign key", *named)
    if any(sign in message for message in session.said for sign in signs):
        return {Work.SCAN}
    # A query reads rows as well, and none of it is work that counts unless it reads all.
    return {Work.NONE} | ({Work.SCAN} if read else set())


def named_locks(effect: Effect) -> tuple[dict[str, str], dict[str, str]]:
    """Return the locks of an effect that are taken for sure, and those that the rows decide."""
    sure: dict[str, str] = {}
    possible: dict[str, str] = {}
    for lock in effect.locks:
        (sure if lock.certain else possible)[plain(lock.table)] = str(lock.level)
    return sure, possible


async def check(session: Session, case: Case) -> None:
    """Assert that the server locks and does what is described, no more and no less."""
    effect = session.effects[case.sql]
    sure, possible = named_locks(effect)
    done = await tried(session, case.sql, [*sure, *possible])
    assert (effect.known, effect.transactional) == (case.known, True)
    assert sure.keys() <= done.held.keys()
    for table, level in done.held.items():
        assert (table, level) in {*sure.items(), *possible.items()}
    assert case.spared or effect.work in done.work
