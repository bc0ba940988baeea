"""The ledger: written with a revision or not at all, read back, and held against the files."""

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncpg import InsufficientPrivilegeError, UndefinedColumnError
from rich.console import RenderableType
from sqlalchemy.ext.asyncio import AsyncConnection

from dbctl import __version__
from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager
from dbctl.errors import ErrorCode, ExitCode, OperationFailed
from dbctl.migrate import ledger_views
from dbctl.migrate.fingerprints import fingerprint
from dbctl.migrate.ledger_results import FileState, Log, Repaired, Verification
from dbctl.migrate.scripts import Checkout, open_checkout
from dbctl.migrate.store import Entry, LedgerDirection, VersionStore
from dbctl.migrate.verify import changed, repair, repairable, verify
from dbctl.output import Output, chosen_output, emit
from dbctl.rendering import show
from dbctl.results import Result
from dbctl.settings import load_settings
from tests.support.project import Project

WHEN = datetime(2026, 11, 22, 10, 15, 30, tzinfo=UTC)
SHA = "0" * 64
COUNT = "select count(*) from dbctl.dbctl_ledger"
STORE = VersionStore()
OK, CHANGED, GONE, UNRECORDED = FileState


class Site:
    """A project of three revisions, and the database that has them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.dsn = dsn.parse(project.url, environ={})
        self.role = self.dsn.user
        self.manager = DatabaseSessionManager(self.dsn, pooling=False)

    def file(self, revision: str) -> Path:
        return self.project.root / "alembic" / "versions" / f"{revision}.py"

    def edit(self, revision: str) -> str:
        """Change the file of a revision and return what it was."""
        before = self.file(revision).read_text()
        self.file(revision).write_text(before + "\n# a word more\n")
        return before

    def checkout(self) -> Checkout:
        """Read the files as they are now."""
        return open_checkout(load_settings(start=self.project.root))

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection, and see that nobody has left it in a transaction."""
        async with self.manager.engine.connect() as connection:
            yield connection
            assert not connection.in_transaction()

    async def execute(self, *statements: str) -> None:
        async with self.connect() as connection, connection.begin():
            for statement in statements:
                await connection.exec_driver_sql(statement)

    async def query(self, statement: str) -> list[Any]:
        async with self.connect() as connection, connection.begin():
            return list((await connection.exec_driver_sql(statement)).scalars())

    def entry(self, revision: str, direction: LedgerDirection = "up") -> Entry:
        """Return what is recorded when `revision` runs from its file as it is now."""
        return Entry(revision, direction, fingerprint(self.file(revision)), WHEN)

    async def write(self, *entries: Entry) -> None:
        """Write `entries` to the ledger, which is made where it is missing."""
        async with self.connect() as connection:
            await connection.run_sync(STORE.ensure)
            async with connection.begin():
                await connection.run_sync(STORE.record, *entries)

    async def apply(self, *revisions: str) -> None:
        await self.write(*map(self.entry, revisions))

    async def move(self, version: str) -> None:
        """Move the version as plain Alembic does: the ledger does not hear of it."""
        await self.execute(f"update alembic_version set version_num = '{version}'")

    async def verify(self) -> Verification:
        async with self.connect() as connection:
            return await verify(connection, self.checkout(), "shop")

    async def repair(self, actor: str | None = None) -> Repaired:
        async with self.connect() as connection:
            return await repair(connection, self.checkout(), "shop", actor=actor)

    async def log(self, limit: int | None = None) -> Log:
        async with self.connect() as connection:
            return await STORE.read_log(connection, self.checkout(), "shop", limit=limit)

    async def states(self) -> dict[str, FileState]:
        """Return what `verify` says, which `changed` and `repairable` must say as well."""
        result = await self.verify()
        states = {file.revision: file.state for file in result.revisions}
        async with self.connect() as connection:
            current, _ = await STORE.read_version(connection)
            prints = await STORE.read_fingerprints(connection)
            pending = await repairable(connection, self.checkout())
        differing = {name for name, state in states.items() if state in {CHANGED, GONE}}
        assert {file.revision for file in changed(self.checkout(), current, prints)} == differing
        assert {file.revision for file in pending} == {n for n, s in states.items() if s is not OK}
        assert result.exit_code == (ExitCode.FINDING if differing else ExitCode.OK)
        return states


@pytest.fixture
async def site(tmp_path: Path, empty_url: str) -> AsyncIterator[Site]:
    """A project whose database was brought to its head by plain Alembic, without a ledger."""
    site = Site(Project.create(tmp_path, empty_url, "select 1", "select 2", "select 3"))
    await site.execute(
        "create table alembic_version (version_num varchar(32) primary key)",
        "insert into alembic_version values ('r3')",
    )
    yield site
    await site.manager.close()


@pytest.fixture
async def applied(site: Site) -> Site:
    """The same project, all of whose revisions dbctl has applied."""
    await site.apply("r1", "r2", "r3")
    return site


@asynccontextmanager
async def role(site: Site) -> AsyncIterator[str]:
    """Make a role that may do nothing, for one test."""
    name = "ledger_role"
    await site.execute(f"create role {name}")
    try:
        yield name
    finally:
        await site.execute(f"drop owned by {name} cascade", f"drop role {name}")


def shown(renderable: RenderableType) -> str:
    """Return what a view prints, each run of blanks as one."""
    out = io.StringIO()
    show(renderable, out)
    return "\n".join(" ".join(line.split()) for line in out.getvalue().splitlines())


def printed[R: Result](
    result: R,
    view: Callable[[R], RenderableType],
    output: Output,
    capsys: pytest.CaptureFixture[str],
) -> str:
    token = chosen_output.set(output)
    try:
        emit(result, view)
    finally:
        chosen_output.reset(token)
    return capsys.readouterr().out


async def test_eight_that_make_the_ledger_at_once_all_find_it_made(site: Site) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(site.apply("r1"))
    assert (await site.log()).total == 8


async def test_a_role_that_may_not_create_the_ledger_uses_one_that_is_there(site: Site) -> None:
    async with role(site) as name:
        async with site.connect() as connection:
            await connection.exec_driver_sql(f"set role {name}")
            await connection.commit()
            with pytest.raises(OperationFailed, match='may not create the schema "dbctl"'):
                await connection.run_sync(STORE.ensure)
            await connection.rollback()
        async with site.connect() as connection:
            await connection.run_sync(STORE.ensure)
        await site.execute(
            f"grant insert on dbctl.dbctl_ledger to {name}",
            f"grant select on alembic_version to {name}",
        )
        async with site.connect() as connection:
            await connection.exec_driver_sql(f"set role {name}")
            await connection.commit()
            await connection.run_sync(STORE.ensure)
            async with connection.begin():
                await connection.run_sync(STORE.record, site.entry("r1"))
            # Who may write it need not be who may read it; status must work all the same.
            assert await STORE.read_fingerprints(connection) == {}
            with pytest.raises(InsufficientPrivilegeError, match="for table dbctl_ledger"):
                await verify(connection, site.checkout(), "shop")
            await connection.rollback()
        (entry,) = (await site.log()).entries
        assert entry.role == site.role  # who logged in, whatever role that one took


async def test_an_entry_comes_and_goes_with_its_transaction(site: Site) -> None:
    async with site.connect() as connection:
        await connection.run_sync(STORE.ensure)
        await connection.exec_driver_sql("create table team (id int)")
        await connection.run_sync(STORE.record, site.entry("r1"))
        await connection.rollback()
        await connection.run_sync(STORE.record)
    assert await site.query(COUNT) == [0]
    await site.apply("r1")
    assert await site.query(COUNT) == [1]


async def test_an_entry_is_read_as_it_was_written(site: Site) -> None:
    entry = Entry("r2", "up", SHA, WHEN, 1.25, 3, "build-7", "Zoë'; drop table")
    await site.write(Entry("r9", "stamp", None, WHEN, actor="not \udcff Unicode"))
    await site.write(entry)
    newest, oldest = (await site.log()).entries
    assert newest.model_dump() == {
        "revision": "r2",
        "message": "make r2",
        "direction": "up",
        "started_at": WHEN,
        "seconds": 1.25,
        "attempts": 3,
        "role": site.role,
        "host": "build-7",
        "actor": "Zoë'; drop table",
        "dbctl": __version__,
        "sha256": SHA,
    }
    assert (oldest.message, oldest.actor, oldest.attempts) == ("", "not \\udcff Unicode", 1)


async def test_the_ledger_takes_neither_a_strange_direction_nor_half_a_hash(site: Site) -> None:
    for odd in (replace(site.entry("r1"), sha256="abc"), Entry("r1", "sideways", SHA, WHEN)):  # type: ignore[arg-type]
        with pytest.raises(Exception, match="violates check constraint"):
            await site.write(odd)


async def test_the_log_is_the_newest_first_and_no_longer_than_asked(applied: Site) -> None:
    log = await applied.log(limit=2)
    assert [entry.revision for entry in log.entries] == ["r3", "r2"]
    assert log.total == 3
    assert "the newest 2 of 3 entries" in shown(ledger_views.log(log))
    assert [entry.revision for entry in (await applied.log()).entries] == ["r3", "r2", "r1"]
    assert "newest" not in shown(ledger_views.log(await applied.log()))


async def test_the_log_as_csv_and_json_is_one_row_per_entry(
    applied: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    log = await applied.log()
    rows = list(csv.DictReader(io.StringIO(printed(log, ledger_views.log, Output.CSV, capsys))))
    document = json.loads(printed(log, ledger_views.log, Output.JSON, capsys))
    assert [row["revision"] for row in rows] == ["r3", "r2", "r1"]
    assert {row["started_at"] for row in rows} == {"2026-11-22T10:15:30Z"}
    assert [list(entry) for entry in document["entries"]] == [list(row) for row in rows]
    assert document["entries"][0]["sha256"] == fingerprint(applied.file("r3"))


async def test_a_database_without_a_ledger_has_an_empty_log_with_a_header(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    log = await site.log()
    assert (log.entries, log.total) == ((), 0)
    header = printed(log, ledger_views.log, Output.CSV, capsys)
    assert header.startswith("revision,message,direction,started_at,seconds,attempts,role,host,")
    assert "has no entry" in shown(ledger_views.log(log))


async def test_what_plain_alembic_applied_is_a_fact_and_no_finding(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await site.states() == {"r1": UNRECORDED, "r2": UNRECORDED, "r3": UNRECORDED}
    result = await site.verify()
    assert result.error is None
    assert "✓ shop: no applied file is recorded" in (
        text := shown(ledger_views.verification(result))
    )
    assert "3 revisions are unrecorded" in text
    assert await site.query("select to_regclass('dbctl.dbctl_ledger') is null") == [True]
    rows = printed(result, ledger_views.verification, Output.CSV, capsys).splitlines()
    assert rows[1].startswith("r1,make r1,unrecorded,")


async def test_files_as_they_were_applied_are_no_finding(applied: Site) -> None:
    assert await applied.states() == {"r1": OK, "r2": OK, "r3": OK}
    text = shown(ledger_views.verification(await applied.verify()))
    assert text == "✓ shop: 3 applied files are unchanged"


async def test_only_what_dbctl_applied_is_watched(site: Site) -> None:
    await site.apply("r3")
    for revision in ("r1", "r3"):
        site.edit(revision)
    assert await site.states() == {"r1": UNRECORDED, "r2": UNRECORDED, "r3": CHANGED}


async def test_a_changed_file_is_found_until_it_is_restored(applied: Site) -> None:
    before = applied.edit("r2")
    assert await applied.states() == {"r1": OK, "r2": CHANGED, "r3": OK}
    result = await applied.verify()
    assert result.error is not None
    assert (result.error.code, result.exit_code) == (ErrorCode.TAMPERED, 1)
    assert "the file of r2 was changed after being applied to shop" in result.error.message
    assert "dbctl migrate repair" in (result.error.hint or "")
    found = result.revisions[1]
    assert found.recorded == hashlib.sha256(before.encode()).hexdigest()
    assert found.present == hashlib.sha256(applied.file("r2").read_bytes()).hexdigest()
    assert (found.recorded_at, found.role) == (WHEN, applied.role)
    assert "r2 r2.py changed 2026-11-22 10:15" in shown(ledger_views.verification(result))
    applied.file("r2").write_text(before)
    assert await applied.states() == {"r1": OK, "r2": OK, "r3": OK}


async def test_line_ends_of_another_system_are_no_change(applied: Site) -> None:
    unix = applied.file("r1").read_bytes()
    applied.file("r1").write_bytes(unix.replace(b"\n", b"\r\n"))
    assert (await applied.states())["r1"] is OK
    await applied.apply("r1")
    applied.file("r1").write_bytes(unix)
    assert (await applied.states())["r1"] is OK
    applied.file("r1").write_bytes(unix.replace(b"make", b"Make"))
    assert (await applied.states())["r1"] is CHANGED


async def test_a_file_that_is_gone_is_found_with_all_that_the_others_show(applied: Site) -> None:
    before = applied.file("r3").read_text()
    applied.file("r3").unlink()
    applied.edit("r1")
    assert await applied.states() == {"r1": CHANGED, "r2": OK, "r3": GONE}
    result = await applied.verify()
    assert result.error is not None
    assert result.error.message == (
        "the file of r1 was changed and the file of r3 was removed after being applied to shop"
    )
    assert "r3 — gone 2026" in shown(ledger_views.verification(result))
    applied.file("r3").write_text(before)
    assert (await applied.states())["r3"] is OK
    for revision in ("r1", "r2", "r3"):
        applied.file(revision).unlink()
    assert set((await applied.states()).values()) == {GONE}


async def test_a_message_names_a_few_revisions_and_counts_the_rest(site: Site) -> None:
    await site.write(*(Entry(f"old{number}", "up", SHA, WHEN) for number in range(9)))
    error = (await site.verify()).error
    assert error is not None
    assert error.message == (
        "the files of old0, old1, old2, old3, old4 and 4 more were removed "
        "after being applied to shop"
    )


async def test_a_downgraded_revision_may_be_edited_and_removed(applied: Site) -> None:
    await applied.write(applied.entry("r3", "down"))
    await applied.move("r2")
    applied.edit("r3")
    assert await applied.states() == {"r1": OK, "r2": OK}
    applied.file("r3").unlink()
    assert await applied.states() == {"r1": OK, "r2": OK}


async def test_a_revision_that_plain_alembic_downgraded_may_be_edited(applied: Site) -> None:
    await applied.move("r2")
    applied.edit("r3")
    assert await applied.states() == {"r1": OK, "r2": OK}


async def test_a_revision_that_was_applied_again_counts_as_it_was_then(applied: Site) -> None:
    await applied.write(applied.entry("r3", "down"))
    before = applied.edit("r3")
    await applied.apply("r3")
    assert (await applied.states())["r3"] is OK
    applied.file("r3").write_text(before)
    assert (await applied.states())["r3"] is CHANGED


async def test_a_stamped_revision_is_watched_as_one_that_ran(site: Site) -> None:
    await site.write(site.entry("r3", "stamp"))
    assert await site.states() == {"r1": UNRECORDED, "r2": UNRECORDED, "r3": OK}
    site.edit("r3")
    assert (await site.states())["r3"] is CHANGED


async def test_both_sides_of_a_merge_are_watched(applied: Site) -> None:
    applied.project.add_revision("side", "pass", after=["r1"])
    applied.project.add_revision("both", "pass", after=["r3", "side"])
    await applied.apply("side", "both")
    await applied.move("both")
    applied.edit("side")
    states = await applied.states()
    assert states.pop("side") is CHANGED
    assert states == {"r1": OK, "r2": OK, "r3": OK, "both": OK}


async def test_repair_accepts_what_is_changed_gone_and_unrecorded(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.apply("r2", "r3")
    before = site.edit("r2")
    site.file("r3").unlink()
    result = await site.repair("Ada")
    assert [(f.revision, f.state) for f in result.accepted] == [
        ("r1", UNRECORDED),
        ("r2", CHANGED),
        ("r3", GONE),
    ]
    assert result.accepted[1].recorded == hashlib.sha256(before.encode()).hexdigest()
    assert result.accepted[2].present is None
    assert "✓ shop: 3 revisions are accepted" in shown(ledger_views.repaired(result))
    assert len(printed(result, ledger_views.repaired, Output.CSV, capsys).splitlines()) == 4

    assert await site.states() == {"r1": OK, "r2": OK}
    entries = (await site.log(limit=3)).entries
    assert {(entry.direction, entry.actor) for entry in entries} == {("repair", "Ada")}
    site.edit("r1")
    assert (await site.states())["r1"] is CHANGED


async def test_a_file_that_comes_back_after_it_was_accepted_as_gone_is_no_finding(
    applied: Site,
) -> None:
    before = applied.file("r3").read_text()
    applied.file("r3").unlink()
    await applied.repair()
    applied.file("r3").write_text(before)
    assert await applied.states() == {"r1": OK, "r2": OK, "r3": UNRECORDED}
    await applied.repair()
    assert (await applied.states())["r3"] is OK


async def test_repair_puts_a_database_of_plain_alembic_under_watch(site: Site) -> None:
    assert len((await site.repair()).accepted) == 3
    assert await site.states() == {"r1": OK, "r2": OK, "r3": OK}


async def test_nothing_to_repair_is_an_empty_result_and_writes_nothing(
    applied: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await applied.repair()
    assert result.accepted == ()
    assert await applied.query(COUNT) == [3]
    assert "nothing to do" in shown(ledger_views.repaired(result))
    assert printed(result, ledger_views.repaired, Output.CSV, capsys).count("\n") == 1
    await applied.execute("drop table dbctl.dbctl_ledger", "delete from alembic_version")
    assert (await applied.repair()).accepted == ()
    assert await applied.query("select to_regclass('dbctl.dbctl_ledger') is null") == [True]


async def test_a_table_of_that_name_that_is_not_ours_is_named_by_the_error(site: Site) -> None:
    made = "create table dbctl.dbctl_ledger (revision text, id int)"
    await site.execute("create schema dbctl", made)
    async with site.connect() as connection:
        with pytest.raises(OperationFailed, match=r'"dbctl_ledger" is not dbctl'):
            await connection.run_sync(STORE.ensure)
        with pytest.raises(UndefinedColumnError, match=r"column dbctl_ledger\.\w+ does not exist"):
            await verify(connection, site.checkout(), "shop")
        await connection.rollback()
        with pytest.raises(OperationFailed, match='of relation "dbctl_ledger" does not exist'):
            await connection.run_sync(STORE.record, site.entry("r1"))
        await connection.rollback()


async def test_no_view_lets_the_terminal_obey_what_the_ledger_holds(site: Site) -> None:
    evil = "\x1b[2J\x9b1m\u202e[bold]\r\x07\n"
    await site.write(
        Entry(evil, "up", SHA, WHEN, host=evil, actor=evil),
        replace(site.entry("r1"), actor=evil, host=evil),
        replace(site.entry("r2"), sha256=SHA, actor=evil, host=evil),
    )
    site.project.add_revision("r3", "pass", after=["r2"])
    log, result = await site.log(), await site.verify()
    assert result.error is not None
    for view in (
        ledger_views.log(log),
        ledger_views.verification(result),
        ledger_views.to_accept(result.revisions),
        ledger_views.repaired(Repaired(database=evil, accepted=result.revisions)),
        ledger_views.log(Log(database=evil, total=0, entries=())),
    ):
        text = shown(view)
        assert "\\x1b[2J\\x9b1m\\u202e" in text
        assert not {"\x1b", "\x9b", "\u202e", "\r", "\x07"} & set(text)
