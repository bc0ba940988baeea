"""The checks of what surrounds the tables: each state made for real, told, and mended as told."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from dbctl.db import dsn
from dbctl.db.engine import DatabaseSessionManager, closing
from dbctl.errors import ConfigurationError
from dbctl.health.report import prepare, report_health
from dbctl.health.results import CheckResult, Status
from dbctl.settings import load_settings
from tests.support.databases import TestServer, execute, fetch, wait_for
from tests.support.folders import open_folder
from tests.support.pgbouncer import Pgbouncer
from tests.support.proxy import FaultProxy, Mode
from tests.support.replica import SLOT, STANDBY, Replication, replicating_binaries, run_replication


def look(
    url: str,
    name: str,
    *,
    project: Path | None = None,
    thresholds: tuple[str, ...] = (),
    open_pool: bool = False,
    **flags: object,
) -> CheckResult:
    """Make one check on the database at `url`, with the settings of `project` and `flags`."""
    settings = load_settings({"connect_deadline": 10} | flags, start=project)
    request = prepare(
        settings,
        only=[name],
        thresholds=[f"{name}.{threshold}" for threshold in thresholds],
        open_pool=open_pool,
    )

    async def work() -> CheckResult:
        manager = DatabaseSessionManager(
            dsn.parse(url, environ={}),
            pool_size=settings.pool_size,
            max_overflow=settings.max_overflow,
        )
        async with closing(manager):
            report = await report_health(manager, request)
        assert report.error is None, report.error
        (found,) = report.checks
        return found

    return asyncio.run(work())


def mend(url: str, found: CheckResult) -> None:
    """Run the remedy, which is SQL."""
    assert found.remedy is not None
    execute(url, *(part for part in found.remedy.split(";") if part.strip()))


def configured(folder: Path, text: str) -> Path:
    """Make `folder` a project with `text` in its `[tool.dbctl]`."""
    (folder / "pyproject.toml").write_text(dedent(text))
    return folder


@pytest.fixture
def role(server: TestServer) -> Iterator[str]:
    """A role that may log in and nothing else."""
    server.execute("CREATE ROLE onlooker LOGIN")
    yield "onlooker"
    server.execute("DROP OWNED BY onlooker", "DROP ROLE onlooker")


# Replication

# Not even a microsecond may it be behind.
STRICT = ("warn=0.000001", "fail=0.000001")


@pytest.fixture(scope="module")
def replication() -> Iterator[Replication]:
    """A primary and a standby that streams from it."""
    binaries = replicating_binaries()
    if binaries is None:
        pytest.skip("this PostgreSQL comes without pg_basebackup")
    with open_folder() as folder, run_replication(folder, binaries) as running:
        yield running


def test_a_standby_that_streams_is_told_from_both_sides(replication: Replication) -> None:
    replication.write()
    replication.wait_until_streaming()
    primary = look(replication.url, "replication")
    assert (primary.status, primary.observed_unit) == (Status.PASS, "s")
    (seen,) = primary.evidence
    assert (seen["application_name"], seen["state"]) == (STANDBY, "streaming")
    assert primary.observed["standbys"] == 1
    standby = look(replication.standby.url, "replication")
    assert (standby.status, standby.observed_value) == (Status.PASS, 0.0)
    assert standby.summary == "this standby streams, all is replayed"


def test_a_primary_that_writes_nothing_leaves_no_lag_behind(replication: Replication) -> None:
    replication.write()
    replication.wait_until_streaming()
    found = look(replication.standby.url, "replication", thresholds=STRICT)
    assert (found.status, found.observed_value) == (Status.PASS, 0.0)


def test_a_server_that_none_follows_passes(database_url: str) -> None:
    found = look(database_url, "replication")
    assert (found.status, found.summary) == (Status.PASS, "no standby")


def test_a_paused_replay_lags_and_the_remedy_resumes_it(replication: Replication) -> None:
    replication.write()
    replication.wait_until_streaming()
    standby = replication.standby.url
    execute(standby, "select pg_wal_replay_pause()")
    wait_for(standby, "pg_get_wal_replay_pause_state() = 'paused'")
    replication.write()
    wait_for(standby, "pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()")
    found = look(standby, "replication")
    assert found.status is Status.WARN
    assert found.summary.startswith("this standby's replay is paused, the last commit was")
    assert look(standby, "replication", thresholds=STRICT).status is Status.FAIL
    (seen,) = look(replication.url, "replication").evidence
    assert isinstance(seen["lag_bytes"], int)
    assert seen["lag_bytes"] > 0
    mend(standby, found)
    replication.wait_until_streaming()
    assert look(standby, "replication").status is Status.PASS


def test_a_standby_that_lost_its_primary_is_a_warning(replication: Replication) -> None:
    standby = replication.standby.url
    (conninfo,) = fetch(standby, "select quote_literal(current_setting('primary_conninfo'))")
    execute(standby, "alter system set primary_conninfo = ''", "select pg_reload_conf()")
    wait_for(standby, "not exists (select from pg_stat_wal_receiver)")
    found = look(standby, "replication")
    lonely = look(replication.url, "replication")
    restored = f"alter system set primary_conninfo = {conninfo}"
    execute(standby, restored, "select pg_reload_conf()")
    replication.wait_until_streaming()
    assert found.status is Status.WARN
    assert "no WAL receiver runs" in found.summary
    assert "primary_conninfo" in (found.remedy or "")
    assert lonely.summary == "no standby"


@pytest.mark.parametrize(
    ("names", "missing"), [("nobody", 1), (f"ANY 2 ({STANDBY}, nobody)", 1), (STANDBY, 0)]
)
def test_commits_that_wait_for_a_standby_that_is_not_there_are_a_failure(
    replication: Replication, names: str, missing: int
) -> None:
    change = f"alter system set synchronous_standby_names = '{names}'"
    execute(replication.url, change, "select pg_reload_conf()")
    wait_for(replication.url, f"current_setting('synchronous_standby_names') = '{names}'")
    if not missing:
        wait_for(
            replication.url, "exists (select from pg_stat_replication where sync_state = 'sync')"
        )
    found = look(replication.url, "replication")
    execute(
        replication.url, "alter system reset synchronous_standby_names", "select pg_reload_conf()"
    )
    assert found.status is (Status.FAIL if missing else Status.PASS)
    assert ("every commit waits" in found.summary) == bool(missing)
    assert ("synchronous_standby_names" in (found.remedy or "")) == bool(missing)


def test_the_lag_that_a_role_may_not_see_is_unknown_until_it_is_granted(
    replication: Replication,
) -> None:
    execute(replication.url, 'create role "On looker" login')
    url = replication.url.replace("postgres@", "On%20looker@")
    hidden = look(url, "replication")
    assert (hidden.status, hidden.observed_value) == (Status.UNKNOWN, None)
    assert hidden.remedy == 'GRANT pg_read_all_stats TO "On looker";'
    mend(replication.url, hidden)
    assert look(url, "replication").status is Status.PASS
    execute(replication.url, 'revoke pg_read_all_stats from "On looker"', 'drop role "On looker"')


# Slots


def test_a_slot_that_nobody_reads_from_is_named_with_what_it_retains(
    replication: Replication,
) -> None:
    execute(replication.url, "select pg_create_physical_replication_slot('forgotten', true)")
    replication.write()
    execute(replication.url, "select pg_switch_wal()")
    replication.write()
    calm = look(replication.url, "slots")
    found = look(replication.url, "slots", thresholds=("warn=64kB",))
    failed = look(replication.url, "slots", thresholds=("warn=64kB", "fail=64kB"))
    assert calm.status is Status.PASS
    assert calm.observed["inactive"] == 1
    assert found.status is Status.WARN
    assert failed.status is Status.FAIL
    worst, *others = found.evidence
    assert (worst["slot"], worst["active"]) == ("forgotten", False)
    assert isinstance(found.observed_value, int)
    assert found.observed_value > 64 * 1024
    assert worst["retained_bytes"] == found.observed_value
    assert [slot["slot"] for slot in others] == [SLOT]
    assert found.remedy is not None
    assert found.remedy.startswith("start what reads from forgotten, or if it is gone for good: ")
    execute(replication.url, found.remedy.partition(": ")[2])
    assert look(replication.url, "slots", thresholds=("warn=64kB",)).status is Status.PASS


def test_a_slot_that_lost_its_wal_is_a_failure(replication: Replication) -> None:
    execute(replication.url, "select pg_create_physical_replication_slot('left_behind', true)")
    for _ in range(6):
        replication.write()
        execute(replication.url, "select pg_switch_wal()")
    # The limit holds for every slot: the standby's own has to be within it first.
    wait_for(
        replication.url,
        "(select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) < 16777216"
        f" from pg_replication_slots where slot_name = '{SLOT}')",
    )
    execute(
        replication.url,
        "alter system set max_slot_wal_keep_size = '32MB'",
        "select pg_reload_conf()",
    )
    wait_for(replication.url, "current_setting('max_slot_wal_keep_size') = '32MB'")
    execute(replication.url, "checkpoint")
    found = look(replication.url, "slots")
    execute(
        replication.url,
        "alter system reset max_slot_wal_keep_size",
        "select pg_reload_conf()",
        "select pg_drop_replication_slot('left_behind')",
    )
    assert found.status is Status.FAIL
    assert found.summary.startswith("left_behind has lost WAL that it needs")
    assert (found.evidence[0]["slot"], found.evidence[0]["wal_status"]) == ("left_behind", "lost")
    assert "pg_drop_replication_slot('left_behind')" in (found.remedy or "")


def test_a_server_without_slots_passes(database_url: str) -> None:
    assert look(database_url, "slots").summary == "no replication slot"


# Disk


def test_the_size_is_told_where_no_limit_is_known(database_url: str, role: str) -> None:
    found = look(database_url, "disk")
    assert (found.status, found.observed_value) == (Status.PASS, None)
    (size,) = fetch(database_url, "select pg_database_size(current_database())")
    assert found.observed["database_bytes"] == size
    assert found.observed["wal_bytes"]
    blind = look(database_url.replace("postgres@", f"{role}@"), "disk")
    assert (blind.status, blind.observed["wal_bytes"]) == (Status.PASS, None)


@pytest.mark.parametrize(("limit", "status"), [("1MB", Status.FAIL), ("1 TB", Status.PASS)])
def test_a_limit_of_the_project_is_compared_with_all_databases(
    database_url: str, tmp_path: Path, limit: str, status: Status
) -> None:
    project = configured(tmp_path, f"[tool.dbctl.health.disk]\nlimit = '{limit}'")
    found = look(database_url, "disk", project=project)
    assert (found.status, found.observed_unit) == (status, "percent")
    assert found.observed["used_bytes"] == sum(
        size for each in found.evidence if isinstance(size := each["bytes"], int)
    ) or found.evidence_total > len(found.evidence)


@pytest.mark.parametrize(("limit", "status"), [("1MB", Status.FAIL), ("-1", Status.PASS)])
def test_neons_limit_is_found(database_url: str, limit: str, status: Status) -> None:
    name = dsn.parse(database_url, environ={}).database
    execute(database_url, f"alter database {name} set neon.max_cluster_size = '{limit}'")
    assert look(database_url, "disk").status is status


def test_sizes_that_are_hidden_make_a_limit_unknown_until_they_are_granted(
    server: TestServer, database_url: str, role: str, tmp_path: Path
) -> None:
    project = configured(tmp_path, "[tool.dbctl.health.disk]\nlimit = '1TB'")
    url = database_url.replace("postgres@", f"{role}@")
    with server.database() as closed:
        name = dsn.parse(closed, environ={}).database
        server.execute(f"REVOKE CONNECT ON DATABASE {name} FROM public")
        found = look(url, "disk", project=project)
        assert found.status is Status.UNKNOWN
        assert found.remedy == f"GRANT pg_read_all_stats TO {role};"
        mend(server.url, found)
        assert look(url, "disk", project=project).status is Status.PASS


@pytest.mark.parametrize("limit", ["1", "'many'", "'0GB'", "[1]"])
def test_a_limit_that_is_none_is_a_fault_of_the_configuration(tmp_path: Path, limit: str) -> None:
    project = configured(tmp_path, f"[tool.dbctl.health.disk]\nlimit = {limit}")
    with pytest.raises(ConfigurationError, match='limit = "10GB"'):
        look("postgresql://nowhere/x", "disk", project=project)


# Extensions


def test_an_extension_that_is_missing_fails_and_the_remedy_installs_it(
    empty_url: str, tmp_path: Path
) -> None:
    project = configured(tmp_path, '[tool.dbctl.health]\nextensions = ["pg_trgm", "hstore"]')
    found = look(empty_url, "extensions", project=project)
    assert (found.status, found.observed_value) == (Status.FAIL, 2)
    assert found.summary == "not installed: pg_trgm, hstore"
    assert {each["needed_by"] for each in found.evidence} == {"extensions in [tool.dbctl.health]"}
    mend(empty_url, found)
    passed = look(empty_url, "extensions", project=project)
    assert (passed.status, passed.summary) == (Status.PASS, "2 needed extensions installed")


def test_an_extension_that_the_server_does_not_have_is_to_be_installed_there(
    empty_url: str, tmp_path: Path
) -> None:
    project = configured(tmp_path, '[tool.dbctl.health]\nextensions = ["no_such"]')
    found = look(empty_url, "extensions", project=project)
    assert found.evidence == (
        {"extension": "no_such", "needed_by": found.evidence[0]["needed_by"], "available": None},
    )
    assert (found.remedy or "").startswith("install no_such on the server, then: ")


def test_an_older_version_is_a_warning_and_the_remedy_updates_it(
    empty_url: str, tmp_path: Path
) -> None:
    execute(empty_url, "create extension pg_trgm version '1.4'")
    found = look(empty_url, "extensions", project=configured(tmp_path, "[tool.dbctl]"))
    assert found.status is Status.WARN
    assert found.summary.startswith("behind: pg_trgm 1.4 (the server has ")
    mend(empty_url, found)
    assert look(empty_url, "extensions").status is Status.PASS


MODELS = """\
    from sqlalchemy import ARRAY, Column, Index, Integer, MetaData, Table, Text
    from sqlalchemy.dialects.postgresql import CITEXT, TSTZRANGE, ExcludeConstraint

    metadata = MetaData()
    people = Table(
        "people", metadata,
        Column("id", Integer, primary_key=True),
        Column("mail", ARRAY(CITEXT)),
        Column("name", Text),
        Column("labels", ARRAY(Text)),
        Column("room", Integer),
        Column("during", TSTZRANGE),
        ExcludeConstraint(("room", "="), ("during", "&&"), name="no_overlap"),
    )
    Index("by_label", people.c.labels, postgresql_using="gin")
    Index("by_name", people.c.name, postgresql_using="gin",
          postgresql_ops={"name": "gin_trgm_ops"})
"""


def test_what_the_models_use_is_needed_and_it_is_told_by_what(
    empty_url: str, tmp_path: Path
) -> None:
    project = configured(tmp_path, "[tool.dbctl]\nmodels = 'needy_models'")
    (tmp_path / "needy_models.py").write_text(dedent(MODELS))
    found = look(empty_url, "extensions", project=project)
    assert {each["extension"]: each["needed_by"] for each in found.evidence} == {
        "btree_gist": "people, no_overlap",
        "citext": "people.mail",
        "pg_trgm": "people, by_name",
    }


def test_models_that_cannot_be_imported_leave_it_unknown(empty_url: str, tmp_path: Path) -> None:
    project = configured(tmp_path, "[tool.dbctl]\nmodels = 'broken_models'")
    (tmp_path / "broken_models.py").write_text("raise RuntimeError('out of order')")
    found = look(empty_url, "extensions", project=project)
    assert found.status is Status.UNKNOWN
    assert "out of order" in found.summary


def test_a_list_of_extensions_is_asked_for_and_no_model_imported(
    empty_url: str, tmp_path: Path
) -> None:
    project = configured(
        tmp_path, "[tool.dbctl]\nmodels = 'broken_models'\n[tool.dbctl.health]\nextensions = []"
    )
    assert look(empty_url, "extensions", project=project).summary == "none is needed"


# The clock


def test_clocks_that_agree_pass(database_url: str) -> None:
    found = look(database_url, "clock")
    assert (found.status, found.observed_value) == (Status.PASS, 0.0)
    assert found.summary.startswith("the clocks agree within ")


@pytest.mark.parametrize(
    ("ahead", "status", "told"),
    [
        (5, Status.WARN, "behind the one here"),
        (-5, Status.WARN, "ahead of the one here"),
        (-90, Status.FAIL, "1m 30s ahead of the one here"),
    ],
)
def test_a_clock_that_is_wrong_is_told_by_how_much(
    database_url: str, monkeypatch: pytest.MonkeyPatch, ahead: int, status: Status, told: str
) -> None:
    right = time.time
    monkeypatch.setattr("dbctl.health.checks.clock.time.time", lambda: right() + ahead)
    found = look(database_url, "clock")
    assert found.status is status
    assert told in found.summary
    assert found.observed_value == pytest.approx(abs(ahead), abs=1)


def test_a_slow_way_back_is_no_difference_of_the_clocks(
    server: TestServer, database_url: str
) -> None:
    with FaultProxy(server.dsn, pace=0.001) as proxy:
        proxy.behave(Mode.TRICKLE, after=b"clock_timestamp")
        found = look(proxy.url_of(database_url), "clock", thresholds=("warn=1ms",))
    assert (found.status, found.observed_value) == (Status.PASS, 0.0)
    assert isinstance(slow := found.observed["round_trip_ms"], float)
    assert slow > 10


# Settings


def test_a_setting_that_is_not_as_required_fails_and_the_remedy_sets_it(
    empty_url: str, tmp_path: Path
) -> None:
    project = configured(
        tmp_path,
        """\
        [tool.dbctl.health.settings]
        work_mem = ">= 64MB"
        idle_in_transaction_session_timeout = "5min"
        search_path = "app, public"
        jit = false
        max_connections = "> 5"
        shared_buffers = ">= 1MB"
        TimeZone = "!= Mars/Phobos"
        """,
    )
    found = look(empty_url, "settings", project=project)
    assert (found.status, found.observed_unit) == (Status.FAIL, "settings")
    by_name = {each["setting"]: each for each in found.evidence}
    assert by_name["work_mem"]["required"] == ">= 64MB"
    assert by_name["work_mem"]["observed"] == "4MB"
    assert {"idle_in_transaction_session_timeout", "search_path"} < by_name.keys()
    assert not {"max_connections", "shared_buffers", "timezone"} & by_name.keys()
    mend(empty_url, found)
    assert fetch(empty_url, "select current_setting('search_path')") == ["app, public"] or fetch(
        empty_url, "select current_setting('search_path')"
    ) == ['"app", "public"']
    again = look(empty_url, "settings", project=project)
    assert {each["setting"] for each in again.evidence} <= {"search_path"}


def test_a_setting_that_does_not_exist_is_told(empty_url: str, tmp_path: Path) -> None:
    project = configured(tmp_path, "[tool.dbctl.health.settings]\nwork_men = '1MB'")
    found = look(empty_url, "settings", project=project)
    assert (found.status, found.observed_value) == (Status.FAIL, 1)
    assert "work_men is not there" in found.summary
    assert found.remedy == "correct work_men, which this server does not have;"


def test_a_setting_that_is_hidden_is_unknown_until_it_is_granted(
    server: TestServer, database_url: str, role: str, tmp_path: Path
) -> None:
    project = configured(tmp_path, "[tool.dbctl.health.settings]\nlog_directory = 'log'")
    url = database_url.replace("postgres@", f"{role}@")
    found = look(url, "settings", project=project)
    assert (found.status, found.summary) == (
        Status.UNKNOWN,
        "hidden from this role: log_directory",
    )
    assert found.remedy == f"GRANT pg_read_all_settings TO {role};"
    mend(server.url, found)
    assert look(url, "settings", project=project).status is not Status.UNKNOWN


def test_what_hides_damage_is_a_warning_and_the_remedy_ends_it(database_url: str) -> None:
    name = dsn.parse(database_url, environ={}).database
    execute(database_url, f"alter database {name} set zero_damaged_pages = on")
    found = look(database_url, "settings")
    assert found.status is Status.WARN
    assert found.summary == "zero_damaged_pages is on; damaged data is hidden, and lost"
    mend(database_url, found)
    assert look(database_url, "settings").status is Status.PASS


def test_a_server_that_may_lose_data_fails_where_people_depend_on_it(
    replication: Replication,
) -> None:
    found = look(replication.url, "settings", environment="production")
    assert found.status is Status.FAIL
    assert found.evidence[0]["setting"] == "fsync"
    assert "ALTER SYSTEM SET \"fsync\" = 'on';" in (found.remedy or "")
    assert look(replication.url, "settings", environment="test").status is Status.PASS


def test_neon_runs_without_fsync_and_that_is_no_fault(replication: Replication) -> None:
    execute(replication.url, "alter database app set neon.timeline_id = 'x'")
    found = look(replication.url, "settings", environment="production")
    execute(replication.url, "alter database app reset neon.timeline_id")
    assert found.status is Status.PASS


@pytest.mark.parametrize("line", ["work_mem = []", "work_mem = ''", '"a b" = 1', "x = '>='"])
def test_a_requirement_that_is_none_is_a_fault_of_the_configuration(
    tmp_path: Path, line: str
) -> None:
    project = configured(tmp_path, f"[tool.dbctl.health.settings]\n{line}")
    with pytest.raises(ConfigurationError, match="settings in "):
        look("postgresql://nowhere/x", "settings", project=project)


# The pool


def test_the_whole_pool_is_opened_when_asked_for(database_url: str) -> None:
    found = look(database_url, "pool", open_pool=True, pool_size=3, max_overflow=2)
    assert (found.status, found.observed_value) == (Status.PASS, 5)
    assert found.observed["opened"] == 5
    assert found.summary.startswith("all 5 connections opened, p50 ")
    assert isinstance(slowest := found.observed["open_max_ms"], float)
    assert isinstance(usual := found.observed["open_p50_ms"], float)
    assert slowest >= usual > 0


async def test_what_was_opened_is_closed_before_the_next_look(database_url: str) -> None:
    request = prepare(load_settings(), only=["pool"], open_pool=True)
    async with closing(DatabaseSessionManager(dsn.parse(database_url, environ={}))) as manager:
        await report_health(manager, request)
        await asyncio.to_thread(
            wait_for,
            database_url,
            "(select count(*) = 1 from pg_stat_activity where datname = current_database())",
        )


def test_nothing_is_opened_unless_asked_for(database_url: str) -> None:
    found = look(database_url, "pool", pool_size=3, max_overflow=2)
    assert (found.status, found.summary) == (Status.PASS, "up to 5 connections")
    assert "opened" not in found.observed


def test_a_limit_that_only_opening_finds_is_a_failure_with_numbers(
    server: TestServer, database_url: str
) -> None:
    server.execute("CREATE ROLE narrow LOGIN CONNECTION LIMIT 3")
    try:
        url = database_url.replace("postgres@", "narrow@")
        found = look(url, "pool", open_pool=True, pool_size=4, max_overflow=2, connect_deadline=2)
    finally:
        server.execute("DROP ROLE narrow")
    assert (found.status, found.observed_value) == (Status.FAIL, 3)
    assert found.summary.startswith("only 3 of 6 connections opened: ")
    assert "too many connections for role" in found.summary
    assert "CONNECTION LIMIT" in (found.remedy or "")


@pytest.mark.parametrize(("open_pool", "status"), [(False, Status.WARN), (True, Status.FAIL)])
def test_a_pool_that_the_server_has_no_room_for_is_not_opened(
    database_url: str, *, open_pool: bool, status: Status
) -> None:
    found = look(database_url, "pool", open_pool=open_pool, pool_size=90, max_overflow=30)
    assert found.status is status
    assert "opened" not in found.observed
    assert found.summary.startswith("up to 120 connections, but the server has only ")
    assert "DB_POOL_SIZE" in (found.remedy or "")


@pytest.mark.parametrize(
    "name", ["pool", "replication", "slots", "disk", "extensions", "clock", "settings"]
)
def test_every_check_can_be_made_through_a_pooler(
    pgbouncer: Pgbouncer, database_url: str, name: str
) -> None:
    database = dsn.parse(database_url, environ={}).database
    assert database is not None
    assert look(pgbouncer.url_of(database), name).status is Status.PASS


def test_a_pool_of_a_pooler_is_told_to_be_one(pgbouncer: Pgbouncer, database_url: str) -> None:
    name = dsn.parse(database_url, environ={}).database
    assert name is not None
    url = pgbouncer.url_of(name)
    assert look(url, "pool", pool_size=500).summary == "up to 510 connections, through a pooler"
    found = look(url, "pool", open_pool=True, pool_size=4, max_overflow=4)
    assert (found.status, found.observed["opened"]) == (Status.PASS, 8)
    assert found.summary.endswith(" (to a pooler)")
