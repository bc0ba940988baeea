"""`inspect query` against statements that try to change something: nothing ever changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from dbctl.errors import ErrorCode, ExitCode, RefusedError, UsageError
from dbctl.sqltokens import words
from tests.support.attacks import ATTACKS, CONTROLS, OWNER, SETUP, SUPERUSER_SETUP, Attack
from tests.support.cli import invoke
from tests.support.databases import TestServer, connected, execute
from tests.support.folders import open_folder
from tests.support.looks import run_query

# Every committed change of a row shows in who wrote it and where it lies.
_CATALOGUES = sorted(
    words(
        """
        pg_attrdef pg_attribute pg_auth_members pg_authid pg_cast pg_class pg_collation
        pg_constraint pg_database pg_db_role_setting pg_default_acl pg_description pg_enum
        pg_event_trigger pg_extension pg_foreign_data_wrapper pg_foreign_server
        pg_foreign_table pg_index pg_inherits pg_largeobject pg_largeobject_metadata
        pg_namespace pg_operator pg_policy pg_proc pg_replication_origin pg_rewrite
        pg_seclabel pg_sequence pg_tablespace pg_trigger pg_type pg_user_mapping
        """
    )
)
_TABLES = ("users", "guarded")
_WRITTEN = ",".join(
    f"'{name}', (SELECT md5(string_agg(concat(xmin, ctid), ';' ORDER BY ctid)) FROM {name})"
    for name in (*_CATALOGUES, *_TABLES)
)
_DIGEST = f"""
    SELECT jsonb_build_object(
        {_WRITTEN},
        'sequence', (SELECT concat(last_value, is_called) FROM numbers),
        'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
        'prepared', (SELECT count(*) FROM pg_prepared_xacts),
        'slots', (SELECT string_agg(slot_name, ',') FROM pg_replication_slots),
        'settings', (SELECT md5(string_agg(name || '=' || coalesce(setting, ''), ';' ORDER BY name))
            FROM pg_settings),
        'reset', (SELECT string_agg(datname || stats_reset::text, ';' ORDER BY datname)
            FROM pg_stat_database WHERE datname = current_database()),
        'shared reset', (SELECT stats_reset FROM pg_stat_bgwriter),
        'files', (SELECT string_agg(f, ';' ORDER BY f) FROM unnest(array['.', 'pg_snapshots',
            'pg_replslot', $1]) d, pg_ls_dir(d) f WHERE f !~ '^(postmaster|pgstat)'),
        'contents', (SELECT string_agg(md5(pg_read_file(f)), ';')
            FROM unnest(array['postgresql.auto.conf', 'postgresql.conf', 'pg_hba.conf']) f),
        'victim', (SELECT string_agg(state || pid, ';') FROM pg_stat_activity WHERE pid = $2)
    )::text
"""


@dataclass(frozen=True)
class Ground:
    """A database to attack: as the owner of its tables, and as superuser."""

    superuser_url: str
    owner_url: str
    folder: Path


@pytest.fixture(scope="module")
def ground(server: TestServer) -> Iterator[Ground]:
    """One database for all attacks, since none of them changes it."""
    with server.database() as url, open_folder() as folder:
        folder.chmod(0o777)
        server.execute(f"CREATE ROLE {OWNER} LOGIN")
        owner_url = url.replace("//postgres@", f"//{OWNER}@")
        try:
            execute(url, f"GRANT ALL ON SCHEMA public TO {OWNER}")
            execute(owner_url, *SETUP)
            execute(url, *SUPERUSER_SETUP)
            yield Ground(url, owner_url, folder)
        finally:
            execute(url, f"DROP OWNED BY {OWNER} CASCADE")
            server.execute(f"DROP ROLE {OWNER}")


@dataclass(frozen=True)
class Watch:
    """What sees whether something changed, and a session that must stay as it is."""

    connection: asyncpg.Connection[Any]
    victim: int
    folder: Path
    notifications: list[object]

    async def digest(self) -> str:
        """Return what the database, its server and its files are like."""
        return str(await self.connection.fetchval(_DIGEST, str(self.folder), self.victim))


@asynccontextmanager
async def watching(ground: Ground) -> AsyncIterator[Watch]:
    notifications: list[object] = []
    async with connected(ground.superuser_url) as connection, connected(ground.owner_url) as other:
        await connection.add_listener("attack", lambda *heard: notifications.append(heard))
        victim = other.get_server_pid()
        asleep = asyncio.create_task(other.execute("SELECT pg_sleep(600)"))
        asked = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1"
        while not await connection.fetchval(asked, victim):  # noqa: ASYNC110
            await asyncio.sleep(0)  # a database tells nobody
        yield Watch(connection, victim, ground.folder, notifications)
        assert not asleep.done()
        asleep.cancel()
        with suppress(asyncio.CancelledError, asyncpg.PostgresError):
            await asleep


def _text(attack: Attack, watch: Watch) -> str:
    return attack.sql.replace(":victim", str(watch.victim)).replace(":folder", str(watch.folder))


@pytest.mark.parametrize("role", ["owner", "superuser"])
async def test_no_attack_changes_anything(ground: Ground, role: str) -> None:
    url = ground.owner_url if role == "owner" else ground.superuser_url
    survived = []
    async with watching(ground) as watch, connected(url) as connection:
        before = await watch.digest()
        for attack in ATTACKS:
            with suppress(UsageError, RefusedError, asyncpg.ReadOnlySQLTransactionError):
                await run_query(connection, _text(attack, watch))
                survived.append(attack.name)
            assert await watch.digest() == before, attack
        assert not connection.is_in_transaction()
        assert watch.notifications == []
    # Refused by dbctl, or what is plainly a write by the server: none got as far as its end.
    assert survived == []


@pytest.mark.parametrize("role", ["owner", "superuser"])
async def test_what_only_reads_is_answered(ground: Ground, role: str) -> None:
    url = ground.owner_url if role == "owner" else ground.superuser_url
    async with connected(url) as connection:
        for sql, expected in CONTROLS.items():
            found = await run_query(connection, sql)
            first = next(iter(found.rows[0].values()))
            assert expected is None or first == expected, sql


async def test_a_domain_whose_check_does_more_is_found_without_being_named(
    empty_url: str,
) -> None:
    setup = (
        "CREATE FUNCTION quiet() RETURNS bool LANGUAGE sql AS 'SELECT pg_try_advisory_lock(7)'",
        "CREATE DOMAIN odd AS int CHECK (quiet())",
        "CREATE TABLE t (a odd)",
    )
    async with connected(empty_url) as connection:
        for statement in setup:
            await connection.execute(statement)
        with pytest.raises(RefusedError, match=r"the function public.quiet calls it"):
            await run_query(connection, """SELECT jsonb_populate_record(NULL::t, '{"a": 1}')""")


# What each of these changes, the digest must see; after it, it is undone.
CHANGES = [
    ("INSERT INTO users VALUES (9)", "DELETE FROM users WHERE id = 9"),
    ("SELECT nextval('numbers')", "SELECT setval('numbers', 1, false)"),
    ("SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(1)"),
    ("SELECT lo_create(4712)", "SELECT lo_unlink(4712)"),
    ("SELECT lo_put(4711, 0, 'x')", "SELECT 1"),
    ("CREATE TABLE one (a int)", "DROP TABLE one"),
    ("ALTER SYSTEM SET work_mem = '99MB'", "ALTER SYSTEM RESET work_mem"),
    (f"ALTER ROLE {OWNER} SET work_mem = '99MB'", f"ALTER ROLE {OWNER} RESET work_mem"),
    (
        "SELECT pg_create_physical_replication_slot('attack', true)",
        "SELECT pg_drop_replication_slot('attack')",
    ),
    ("COPY users TO ':folder/file'", "SELECT 1"),
    ("SELECT pg_stat_reset()", "SELECT 1"),
    ("SET work_mem = '99MB'", "RESET work_mem"),
    ("SELECT pg_cancel_backend(:victim)", "SELECT 1"),
]


async def test_the_digest_sees_what_an_attack_would_change(ground: Ground) -> None:
    with suppress(AssertionError):  # the victim's sleep is cut short, as it must be seen to be
        async with watching(ground) as watch:
            for change, undo in CHANGES:
                before = await watch.digest()
                text = change.replace(":victim", str(watch.victim))
                await watch.connection.execute(text.replace(":folder", str(watch.folder)))
                seen = False
                for _ in range(100):  # statistics and signals take a moment
                    seen = await watch.digest() != before
                    if seen:
                        break
                if not seen:
                    pytest.fail(f"not seen: {change}")
                await watch.connection.execute(undo)


@pytest.mark.parametrize(
    ("sql", "exit_code", "code"),
    [
        ("COMMIT; DROP SCHEMA public CASCADE", ExitCode.USAGE, ErrorCode.USAGE),
        ("set default_transaction_read_only=off", ExitCode.REFUSED, ErrorCode.NOT_READ_ONLY),
        ("SELECT pg_advisory_lock(1)", ExitCode.REFUSED, ErrorCode.NOT_READ_ONLY),
        ("SELECT * FROM outer_view", ExitCode.REFUSED, ErrorCode.NOT_READ_ONLY),
        ("\\! touch x", ExitCode.USAGE, ErrorCode.USAGE),
    ],
)
def test_an_attack_ends_the_command_with_an_error(
    ground: Ground, sql: str, exit_code: ExitCode, code: ErrorCode
) -> None:
    done = invoke("inspect", "query", sql, "--json", env={"DATABASE_URL": ground.owner_url})
    assert (done.exit_code, done.json["error"]["code"]) == (exit_code, code)


def test_there_are_enough_attacks_with_names_of_their_own() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 90
    assert len({attack.sql for attack in ATTACKS}) == len(ATTACKS)
